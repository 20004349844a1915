"""Questions over what is stored: a `Question` becomes an `Answer` with rows to show."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from storage.interactions import Interaction
from storage.question import AskError, Question, understand
from storage.repository import MOST_COUNTED, Filters, count_interactions, find_interactions

__all__ = [
    "Answer",
    "AskError",
    "Question",
    "Row",
    "answer",
    "person_label",
    "understand",
]


@dataclass(frozen=True)
class Row:
    """One interaction, and its cells in the order of the answer's columns."""

    interaction: Interaction
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Answer:
    """`rows` are the newest of `total`; `summary` is the answer in one line."""

    rows: tuple[Row, ...]
    columns: tuple[str, ...]
    total: int
    summary: str
    understood: tuple[str, ...]
    not_understood: tuple[str, ...]


def answer(
    session: Session,
    question: Question,
    *,
    since: datetime | None = None,
    until: datetime | None = None,
    camera: str | None = None,
    limit: int = 50,
) -> Answer:
    """Only what fits all of the question: when nothing does, there are no rows."""
    columns = _columns(question)
    conflict = camera is not None and question.camera not in (None, camera)
    if not question.answerable or conflict:
        return _answer(question, columns, [], 0)
    filters: Filters = {
        "camera": question.camera or camera,
        "verbs": question.verbs or None,
        "object_classes": question.objects or None,
        "human": question.human,
        "person": question.person,
        "since": max((t for t in (since, question.since) if t is not None), default=None),
        "until": until,
    }
    found = find_interactions(session, **filters, limit=1 if question.newest else limit)
    total = (
        len(found)
        if question.newest
        else count_interactions(session, most=MOST_COUNTED + 1, **filters)
    )
    return _answer(question, columns, found, total)


def person_label(track: str) -> str:
    """`gate:0:3` as people say it: person 3 (gate)."""
    camera, epoch, number = (*track.rsplit(":", 2), "", "")[:3]
    return f"person {number} ({camera})" if epoch and number else track


def _answer(
    question: Question, columns: tuple[str, ...], found: Sequence[Interaction], total: int
) -> Answer:
    return Answer(
        rows=tuple(
            Row(interaction, tuple(_cell(interaction, column) for column in columns))
            for interaction in found
        ),
        columns=columns,
        total=total,
        summary=_summary(question, total),
        understood=question.understood,
        not_understood=question.not_understood,
    )


def _summary(question: Question, total: int) -> str:
    if not question.answerable:
        return "not understood: " + ", ".join(question.not_understood)
    number = f"more than {MOST_COUNTED:,}" if total > MOST_COUNTED else f"{total:,}"
    if question.counts:
        return "never" if total == 0 else "once" if total == 1 else f"{number} times"
    if total == 0:
        return "nothing found"
    found = "1 interaction" if total == 1 else f"{number} interactions"
    return found if question.asked else f"yes: {found}"


def _columns(question: Question) -> tuple[str, ...]:
    """What is asked for comes first; then what the question leaves open."""
    asked = list(question.asked) or ["who", "what"]
    if len(question.verbs) != 1:
        asked.append("did")
    if len(question.objects) > 1:
        asked.append("what")
    return tuple(dict.fromkeys([*asked, "time", "camera", "score"]))


def _cell(interaction: Interaction, column: str) -> str:
    match column:
        case "who":
            return person_label(interaction.human_track)
        case "what":
            return interaction.object_class
        case "did":
            return interaction.verb
        case "time":
            return interaction.started_at.isoformat(sep=" ", timespec="seconds")
        case "camera":
            return interaction.camera
        case _:
            return f"{interaction.peak_score:.2f}"
