"""Questions over what is stored: a `Question` becomes an `Answer` with rows to show.

with sessions() as session:
    question = understand_stored(session, "who picked up what", now=datetime.now(UTC))
    for row in answer(session, question).rows:
        row.interaction, row.evidence, row.cells

With an `OpenVerbs` any verb can be asked for, also over video that is long gone.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from itertools import islice
from uuid import UUID

from sqlalchemy.orm import Session

from storage.chances import Judgement
from storage.filters import Filters
from storage.grammar import understand
from storage.interactions import Interaction
from storage.names import cameras, object_classes_seen, verbs_seen
from storage.open_verbs import ASKED, Retrieval
from storage.question import AskError, Form, Order, Question, Span, missing
from storage.repository import MOST_COUNTED, count_interactions, find_interactions
from storage.sequences import Match, Matches, Source, clause_filters
from storage.speech import OpenVerbs
from storage.vector_rows import bundles_with_vectors

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


@dataclass(frozen=True)
class Row:
    """One interaction, what happened with it, and its cells in the order of the columns."""

    interaction: Interaction
    evidence: tuple[Interaction, ...]
    cells: tuple[str, ...]
    by_chance: float | None = None  # how likely a moment scores so high in which it did not happen

    @property
    def asked(self) -> bool:
        """Found in stored vectors, not told live."""
        return self.interaction.config == ASKED


@dataclass(frozen=True)
class Answer:
    """`rows` are some of `total`; `summary` is the answer in one line."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    total: int  # moments, counted up to `MOST_COUNTED` + 1
    number: int | None  # for "how many": what is counted
    yes: bool | None  # for "did anyone"
    complete: bool  # False: only the newest `MOST_COUNTED` candidates were looked at
    summary: str
    understood: tuple[Span, ...]
    not_understood: tuple[str, ...]
    absent: tuple[str, ...]  # of these what is known to be a thing, like nothing that is seen
    answerable: bool  # False: without the words not understood it would be another question
    certainty: tuple[Judgement, ...] = ()  # of verbs that nobody configured

    @property
    def missing(self) -> str:
        """What was not looked at, in a line; empty: all was."""
        return missing(self.not_understood, self.absent)


@dataclass
class _Found:
    """What was found, before it is shown."""

    matches: list[Match]
    total: int = 0
    number: int | None = None
    complete: bool = True
    notes: tuple[str, ...] = ()  # which bundles could not be asked
    certainty: tuple[Judgement, ...] = ()
    by_chance: Mapping[UUID, float] = field(default_factory=dict)  # p-values by interaction


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
    if open_verbs is not None:
        for bundle in bundles_with_vectors(session):
            verbs.update(open_verbs.speaks.verbs(bundle))
    return understand(
        question,
        verbs=verbs,
        objects=object_classes_seen(session),
        cameras=cameras(session),
        now=now,
        zone=zone,
        open_verbs=open_verbs is not None,
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
) -> Answer:
    """Only what fits all of the question: when nothing does, there are no rows.

    The newest come first, of what stored vectors are asked for the likeliest.
    """
    conflict = camera is not None and question.camera not in (None, camera)
    if not question.answerable or conflict:
        return _answer(question, _Found([]))
    filters: Filters = {
        "camera": question.camera or camera,
        "since": max((t for t in (since, question.since) if t is not None), default=None),
        "until": min((t for t in (until, question.until) if t is not None), default=None),
    }
    retrieval = Retrieval(session, open_verbs)
    matches = Matches(Source(session, retrieval), question, filters, most=MOST_COUNTED)
    asked = bool(retrieval.asked(question.clause))
    if question.order is Order.LONGEST:
        found = _longest(matches)
    elif question.order is not Order.NEWEST:
        found = _first(matches)
    elif asked or question.steps or question.form in (Form.PEOPLE, Form.THINGS):
        found = _everything(matches, question.form, limit, offset, likeliest=asked)
    else:
        found = _listed(session, question, filters, limit, offset)
    found.notes = tuple(retrieval.notes)
    found.certainty, found.by_chance = tuple(retrieval.judgements.values()), retrieval.by_chance
    return _answer(question, found)


def _first(matches: Matches) -> _Found:
    rows = list(islice(matches, 1))
    return _Found(rows, len(rows), complete=matches.complete)


def _longest(matches: Matches) -> _Found:
    """Of those that last equally long the newest."""
    rows = max(
        ([match] for match in matches),
        key=lambda some: some[0].interaction.ended_at - some[0].interaction.started_at,
        default=[],
    )
    return _Found(rows, len(rows), complete=matches.complete)


def _everything(
    matches: Matches, form: Form, limit: int, offset: int, *, likeliest: bool
) -> _Found:
    every = list(matches)  # no more than MOST_COUNTED
    if likeliest:
        every.sort(key=lambda match: -match.interaction.peak_score)  # of equals the newest
    found = _Found(every[offset : offset + limit], len(every), complete=matches.complete)
    if form in (Form.PEOPLE, Form.THINGS):
        ones = [match.interaction for match in every]
        people = form is Form.PEOPLE
        found.number = len({one.human_track if people else one.object_track for one in ones})
    return found


def _listed(
    session: Session, question: Question, filters: Filters, limit: int, offset: int
) -> _Found:
    """One clause alone: counted and cut to a page by the database."""
    narrowed: Filters = {**filters, **clause_filters(session, question.clause)}
    rows = find_interactions(session, **narrowed, limit=limit, offset=offset)
    total = count_interactions(session, most=MOST_COUNTED + 1, **narrowed)
    return _Found([Match(one) for one in rows], total)


def person_label(track: str) -> str:
    """`gate:0:3` as people say it: person 3 (gate)."""
    camera, epoch, number = (*track.rsplit(":", 2), "", "")[:3]
    return f"person {number} ({camera})" if epoch and number else track


def _answer(question: Question, found: _Found) -> Answer:
    columns = _columns(question)
    if question.form is Form.TIMES and question.answerable:
        found.number = found.total
    asked = question.form is Form.YES_NO and question.answerable
    return Answer(
        rows=tuple(
            Row(
                one.interaction,
                one.evidence,
                tuple(_cell(one, column) for column in columns),
                found.by_chance.get(one.interaction.id),
            )
            for one in found.matches
        ),
        columns=columns,
        total=found.total,
        number=found.number,
        yes=found.total > 0 if asked else None,
        complete=found.complete,
        summary=_summary(question, found),
        understood=question.understood,
        not_understood=question.not_understood,
        absent=question.absent,
        answerable=question.answerable,
        certainty=found.certainty,
    )


def _summary(question: Question, found: _Found) -> str:
    if not question.answerable:
        return missing(question.not_understood, question.absent)
    parts = [_short(question.form, found)]
    if not found.complete:
        parts.append(f"only {MOST_COUNTED:,} candidates were looked at: ask for a shorter time")
    parts += [*found.notes, *map(str, found.certainty)]
    return "; ".join(parts)


def _short(form: Form, found: _Found) -> str:
    over = found.total > MOST_COUNTED
    number = f"more than {MOST_COUNTED:,}" if over else f"{found.total:,}"
    times = {0: "never", 1: "once", 2: "twice"}.get(found.total, f"{number} times")
    if form is Form.TIMES:
        return times
    if form in (Form.PEOPLE, Form.THINGS):
        return f"{found.number or 0:,} ({times})"
    if found.total == 0:
        return "no: nothing found" if form is Form.YES_NO else "nothing found"
    moments = "1 interaction" if found.total == 1 else f"{number} interactions"
    return f"yes: {moments}" if form is Form.YES_NO else moments


def _columns(question: Question) -> tuple[str, ...]:
    """What is asked for comes first; then what the question leaves open."""
    asked = list(question.asked) or ["who", "what"]
    if len(question.clause.verbs) + len(question.clause.phrases) != 1:
        asked.append("did")
    if len(question.clause.objects) > 1 or question.clause.not_objects:
        asked.append("what")
    if any(not step.negated for step in question.steps):
        asked.append("with")
    return tuple(dict.fromkeys([*asked, "time", "camera", "score"]))


def _cell(found: Match, column: str) -> str:
    one = found.interaction
    match column:
        case "who":
            return person_label(one.human_track)
        case "what":
            return one.object_class
        case "did":
            return one.verb
        case "with":
            return "; ".join(_told(other) for other in found.evidence)
        case "time":
            return one.started_at.isoformat(sep=" ", timespec="seconds")
        case "camera":
            return one.camera
        case _:
            return f"{one.peak_score:.2f}"


def _told(one: Interaction) -> str:
    """What happened with it, in a few words."""
    who = person_label(one.human_track)
    return f"{who} {one.verb} {one.object_class} {one.started_at:%H:%M:%S}"
