"""What an answer is, and how it reads: rows with their cells, and the answer in one line."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from storage.chances import Expected, Judgement
from storage.horizon import Horizon
from storage.interactions import Interaction
from storage.question import Form, Question, Span, missing
from storage.repository import MOST_COUNTED
from storage.sequences import Match
from storage.told_windows import ASKED

BY_CHANCE = "by chance"  # how likely a moment scores so high in which it did not happen
_YES_OR_NO = (Form.YES_NO, Form.NOBODY)


@dataclass(frozen=True)
class Row:
    """One interaction, what happened with it, and its cells in the order of the columns."""

    interaction: Interaction
    evidence: tuple[Interaction, ...]
    cells: tuple[str, ...]
    likelihood: float | None = None  # of it and its evidence together; None: not looked at
    by_chance: float | None = None  # how likely a moment scores so high in which it did not happen
    same: tuple[UUID, ...] = ()  # interactions that are this row in other words

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
    yes: bool | None  # for "did anyone" and "did nobody"; None: it is not known
    complete: bool  # False: not everything was looked at
    summary: str
    understood: tuple[Span, ...]
    not_understood: tuple[str, ...]
    absent: tuple[str, ...]  # of these what is known to be a thing, like nothing that is seen
    answerable: bool  # False: without the words not understood it would be another question
    certainty: tuple[Judgement, ...] = ()  # of verbs that nobody configured
    expected: float | None = None  # rows by chance alone; with several parts, at most
    less_sure: tuple[Row, ...] = ()  # not likely enough to be told live; not counted
    horizon: Horizon | None = None  # where the look at stored vectors ended; None: all was seen

    @property
    def missing(self) -> str:
        """What was not looked at, in a line; empty: all was."""
        return missing(self.not_understood, self.absent)


@dataclass
class Found:
    """What was found, before it is shown."""

    matches: list[Match]
    total: int = 0
    number: int | None = None
    complete: bool = True
    notes: tuple[str, ...] = ()  # which bundles could not be asked; what is told twice
    certainty: tuple[Judgement, ...] = ()
    by_chance: Mapping[UUID, float] = field(default_factory=dict)  # p-values by interaction
    expected: Expected | None = None  # by chance alone
    less_sure: Sequence[Match] = ()
    horizon: Horizon | None = None


def person_label(track: str) -> str:
    """`gate:0:3` as people say it: person 3 (gate)."""
    camera, epoch, number = (*track.rsplit(":", 2), "", "")[:3]
    return f"person {number} ({camera})" if epoch and number else track


def score_of(one: Match | Row) -> float:
    """How likely all of it is, by which rows are ordered; where that is not known, its peak's."""
    return one.interaction.peak_score if one.likelihood is None else one.likelihood


def counted(total: int) -> str:
    """A total as people read it: it is counted no further than `MOST_COUNTED`."""
    return f"more than {MOST_COUNTED:,}" if total > MOST_COUNTED else f"{total:,}"


def told(question: Question, found: Found) -> Answer:
    columns = _columns(question)
    if found.by_chance:
        columns = (*columns, BY_CHANCE)
    if question.form is Form.TIMES and question.answerable and not question.looks:
        found.number = found.total
    asked = question.form in _YES_OR_NO and question.answerable
    known = _is_known(question, found)
    return Answer(
        rows=_rows(found.matches, columns, found.by_chance),
        columns=columns,
        total=found.total,
        number=found.number,
        yes=_is_yes(question.form, found) if asked and known else None,
        complete=found.complete,
        summary=_summary(question, found),
        understood=question.understood,
        not_understood=question.not_understood,
        absent=question.absent,
        answerable=question.answerable,
        certainty=found.certainty,
        expected=None if found.expected is None else found.expected.rows,
        less_sure=_rows(found.less_sure, columns, found.by_chance),
        horizon=found.horizon,
    )


def _rows(
    matches: Sequence[Match],
    columns: Sequence[str],
    by_chance: Mapping[UUID, float],
) -> tuple[Row, ...]:
    rows = []
    for one in matches:
        chance = by_chance.get(one.interaction.id)
        cells = tuple(_cell(one, column, chance) for column in columns)
        rows.append(Row(one.interaction, one.evidence, cells, one.likelihood, chance, one.same))
    return tuple(rows)


def _summary(question: Question, found: Found) -> str:
    if not question.answerable:
        return missing(question.not_understood, question.absent)
    parts = [_short(question, found)]
    if found.total and found.expected is not None:
        most = "at most " if question.steps else ""
        parts.append(f"chance alone gives {most}about {found.expected.rows:.2g} there")
    if found.horizon is not None:
        parts.append(str(found.horizon))
    elif not found.complete:
        parts.append("there is more than was looked at: ask for a shorter time")
    parts += [*found.notes, *map(str, found.certainty)]
    return "; ".join(parts)


def _is_known(question: Question, found: Found) -> bool:
    """Nothing is concluded from what chance gives as well, nor from nothing in a part of it, nor
    of those that only look more like what was asked for than others."""
    known = not _may_be_chance(question, found) and (found.complete or found.total > 0)
    return known and not question.looks


def _may_be_chance(question: Question, found: Found) -> bool:
    """Chance alone gives what was found, all of it by stored vectors."""
    if found.expected is None or question.steps or not 0 < found.total <= len(found.by_chance):
        return False
    return found.expected.explains(found.total, min(found.by_chance.values()))


def _short(question: Question, found: Found) -> str:
    form = question.form
    number = counted(found.total)
    if question.looks and form is not Form.LIST:
        return f"not known: {_moments(found)}"
    times = {0: "never", 1: "once", 2: "twice"}.get(found.total, f"{number} times")
    if form is Form.TIMES:
        return times
    if form in (Form.PEOPLE, Form.THINGS):
        return f"{found.number or 0:,} ({times})"
    told = _moments(found)
    if form not in _YES_OR_NO:
        return told
    if not _is_known(question, found):
        return f"not known: {told}"
    return f"{'yes' if _is_yes(form, found) else 'no'}: {told}"


def _moments(found: Found) -> str:
    if found.total == 1:
        return "1 interaction"
    return f"{counted(found.total)} interactions" if found.total else "nothing found"


def _is_yes(form: Form, found: Found) -> bool:
    return (found.total > 0) is (form is Form.YES_NO)


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


def _cell(found: Match, column: str, chance: float | None) -> str:
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
        case _ if column == BY_CHANCE:
            return "" if chance is None else f"{chance:.1g}"
        case _:
            return f"{score_of(found):.2f}"


def _told(one: Interaction) -> str:
    """What happened with it, in a few words."""
    who = person_label(one.human_track)
    return f"{who} {one.verb} {one.object_class} {one.started_at:%H:%M:%S}"
