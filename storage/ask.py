"""Questions over what is stored: a `Question` becomes an `Answer` with rows to show.

with sessions() as session:
    question = understand_stored(session, "who picked up what", now=datetime.now(UTC))
    for row in answer(session, question).rows:
        row.interaction, row.evidence, row.cells

With an `OpenVerbs` any verb can be asked for, also over video that is long gone.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from difflib import get_close_matches
from itertools import islice

from sqlalchemy.orm import Session

from storage.answers import Answer, Found, Row, person_label, told
from storage.custody import is_handed_over
from storage.filters import Filters
from storage.grammar import understand
from storage.likelihood import judged
from storage.looks import Looks
from storage.names import cameras, object_classes_seen, verbs_seen
from storage.open_verbs import Retrieval
from storage.question import AskError, Clause, Form, Order, Question
from storage.repository import MOST_COUNTED, count_interactions, find_interactions
from storage.sequences import Match, Matches, Source, each_once
from storage.speech import OpenVerbs
from storage.told_windows import ASKED
from storage.twice import viewers_of_the_same
from storage.vector_rows import bundles_with_vectors

LESS_SURE = 5  # rows that people are shown, sure or not
_RANKED = 1000  # rows, the newest, that are looked at to show the likeliest first
_MISNAMED = 0.03  # of three of ten small things another colour is stored, any one of ten

__all__ = [
    "Answer",
    "AskError",
    "OpenVerbs",
    "Question",
    "Row",
    "answer",
    "person_label",
    "understand",
    "understand_stored",
]


def understand_stored(
    session: Session,
    question: str,
    *,
    now: datetime,
    zone: tzinfo = UTC,
    open_verbs: OpenVerbs | None = None,
) -> Question:
    """`understand` with the names that the database holds and the bundles see."""
    verbs = set(verbs_seen(session))
    hears = None
    if open_verbs is not None:
        for bundle in bundles_with_vectors(session):
            verbs.update(open_verbs.speaks.verbs(bundle))
        hears = Looks(session, open_verbs, {}).hears
    return understand(
        question,
        verbs=verbs,
        objects=object_classes_seen(session),
        cameras=cameras(session),
        now=now,
        zone=zone,
        open_verbs=open_verbs is not None,
        hears=hears,
    )


def answer(
    session: Session,
    question: Question,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    camera: str | None = None,
    limit: int = 50,
    offset: int = 0,
    open_verbs: OpenVerbs | None = None,
    less_sure: int = 0,
) -> Answer:
    """Only what fits all of the question: when nothing does, there are no rows.

    The likeliest come first, of those equally likely the newest; beyond the newest thousand of
    many, where nobody waits for all to be read, the newest. `less_sure`: where fewer rows than that
    are found, it is filled up by moments, the likeliest first, that were not likely enough to be
    told live or that are of a thing of another colour; they count for nothing else, and stand
    on the first page. Raises
    `AskError` for a camera that there never was.
    """
    if camera is not None:
        _check_camera(session, camera)
    conflict = camera is not None and question.camera not in (None, camera)
    if not question.answerable or conflict:
        return told(question, Found([]))
    filters: Filters = {
        "camera": question.camera or camera,
        "since": max((t for t in (since, question.since) if t is not None), default=None),
        "until": min((t for t in (until, question.until) if t is not None), default=None),
    }
    retrieval = Retrieval(session, open_verbs, filters)
    matches = Matches(Source(session, retrieval), question, filters, most=MOST_COUNTED)
    asked = bool(retrieval.asked(question.clause))
    if question.order is Order.LONGEST:
        found = _longest(matches, question.clause)
    elif question.order is not Order.NEWEST:
        found = _first(matches, question.clause)
    elif asked or question.steps or question.exclusions or _counts_tracks(question.form):
        found = _everything(matches, question, limit, offset, asked=asked)
    else:
        found = _listed(matches.source, question, filters, limit, offset)
    if offset == 0 and found.total < less_sure and question.order is Order.NEWEST:
        source = replace(matches.source, weaker=Retrieval(session, open_verbs, weaker=True))
        doubtful = _less_sure(source, question, filters, found)
        found.less_sure = doubtful[: less_sure - found.total]
    found.notes = (*found.notes, *retrieval.notes, *retrieval.looks.notes)
    found.certainty, found.by_chance = tuple(retrieval.judgements.values()), retrieval.by_chance
    if retrieval.by_chance:
        narrowed: Filters = {**matches.filters, **matches.source.filters(question.clause)}
        found.expected = retrieval.expected(question.clause, narrowed)
    if retrieval.horizon is not None:
        found.horizon, found.complete = retrieval.horizon, False
    return told(question, found)


def _counts_tracks(form: Form) -> bool:
    return form in (Form.PEOPLE, Form.THINGS)


def _check_camera(session: Session, camera: str) -> None:
    """ "Nothing found" of a name that was mistyped would be believed."""
    known = cameras(session)
    if camera not in known:
        near = get_close_matches(camera, known, 1)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}"
        raise AskError(f"there is no camera {camera!r}; {hint}")


def _first(matches: Matches, asked: Clause) -> Found:
    rows = _likeliest_first(matches.source, list(islice(matches, 1)), asked)
    return Found(rows, len(rows), complete=matches.complete)


def _longest(matches: Matches, asked: Clause) -> Found:
    """Of those that last equally long the newest."""
    longest = max(
        ([match] for match in matches),
        key=lambda some: some[0].interaction.ended_at - some[0].interaction.started_at,
        default=[],
    )
    rows = _likeliest_first(matches.source, longest, asked)
    return Found(rows, len(rows), complete=matches.complete)


def _everything(
    matches: Matches, question: Question, limit: int, offset: int, *, asked: bool
) -> Found:
    every = list(matches)  # no more than MOST_COUNTED
    if asked:
        every.sort(key=lambda match: -match.interaction.peak_score)
    every = _likeliest_first(matches.source, every, question.clause)
    if is_handed_over(question.steps):
        every = each_once(every)
    found = Found(every[offset : offset + limit], len(every), complete=matches.complete)
    found.notes = _notes(every, None if asked or len(every) <= _RANKED else question.form)
    if _counts_tracks(question.form) and not question.looks:
        ones = [match.interaction for match in every]
        people = question.form is Form.PEOPLE
        found.number = len({one.human_track if people else one.object_track for one in ones})
    return found


def _less_sure(source: Source, question: Question, filters: Filters, found: Found) -> list[Match]:
    """What stored vectors and custody tell beside the answer, and things of another colour."""
    known = {match.interaction.id for match in found.matches}

    def others(asked: Question) -> list[Match]:
        every = Matches(source, asked, filters, most=MOST_COUNTED)
        return [match for match in every if match.interaction.id not in known]

    doubtful = [
        match
        for match in others(question)
        if any(one.config == ASKED for one in (match.interaction, *match.evidence))
    ]
    ranked = _likeliest_first(source, doubtful, question.clause)
    if question.clause.thing_colour is not None:
        known |= {match.interaction.id for match in ranked}
        any_colour = replace(question, clause=replace(question.clause, thing_colour=None))
        ranked += [
            replace(match, likelihood=_MISNAMED * (match.likelihood or 0.0))
            for match in _likeliest_first(source, others(any_colour), any_colour.clause)
        ]
    return sorted(ranked, key=lambda match: -(match.likelihood or 0.0))


def _listed(source: Source, question: Question, filters: Filters, limit: int, offset: int) -> Found:
    """One clause alone: counted and cut to a page by the database."""
    session = source.session
    narrowed: Filters = {**filters, **source.filters(question.clause)}
    first = 0 if offset < _RANKED else offset  # what lies behind the ranked ones is not ranked
    most = max(_RANKED, offset + limit) if first == 0 else limit
    rows = find_interactions(session, **narrowed, limit=most, offset=first)
    total = count_interactions(session, most=MOST_COUNTED + 1, **narrowed)
    found = [Match(one) for one in rows]
    every = found if first else _likeliest_first(source, found, question.clause)
    ranked = question.form if total > _RANKED else None
    complete = source.retrieval.looks.complete
    page = every[offset - first :][:limit]
    return Found(page, total, complete=complete, notes=_notes(every, ranked))


def _notes(every: Sequence[Match], ranked: Form | None) -> tuple[str, ...]:
    """What to know of the rows; `ranked`: the form of a question with rows that are not ranked."""
    notes = []
    if ranked is Form.LIST:
        notes.append(f"of the newest {_RANKED} the likeliest come first, then the others by time")
    if viewers := viewers_of_the_same(match.interaction for match in every):
        said = f"watched with {len(viewers)} bundles or configurations at the same time"
        notes.append(f"{said}: what more than one of them tells is counted for each")
    return tuple(notes)


def _likeliest_first(source: Source, found: list[Match], asked: Clause) -> list[Match]:
    """The first `_RANKED` by how likely all of them is; the others as they are."""
    ranked = judged(source.session, found[:_RANKED], asked, source.retrieval.looks)
    return [*sorted(ranked, key=lambda match: -(match.likelihood or 0.0)), *found[_RANKED:]]
