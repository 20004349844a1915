"""`Standing`: a question that is asked of everything new, and what cannot be asked so."""

import re
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import TypeAdapter, ValidationError

from storage.channels import Channel
from storage.database import ReadSession
from storage.grammar import understand
from storage.names import cameras, object_classes_seen, verbs_seen
from storage.question import COUNTS, Exclusion, Form, Order, Question, Relation, missing
from storage.quiet import AlertError, QuietHours

MOST_CHANNELS = 10
_QUESTION = TypeAdapter(Question)
_NAME = re.compile(r"[^\W_][\w.-]{0,63}")


@dataclass(frozen=True)
class Standing:
    """A saved question; `question` is what was understood when it was saved."""

    name: str
    question: Question
    channels: tuple[Channel, ...] = ()
    cameras: tuple[str, ...] = ()  # none: all of them
    active: bool = True
    at_end: bool = False  # tell when it is over, not as soon as it is known
    min_score: float = 0.0  # peak probability, of all that must have happened
    cooldown: timedelta = timedelta()
    per_camera: bool = False  # each camera has a cool-down of its own
    quiet: QuietHours = field(default_factory=QuietHours)
    trouble: str | None = None  # why a run cannot watch for it
    id: uuid.UUID = field(default_factory=uuid.uuid4)
    created_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise AlertError(f"name {self.name!r}: up to 64 letters, digits, dots and dashes")
        if not 0 <= self.min_score <= 1:
            raise AlertError(f"the least score is a probability, not {self.min_score}")
        if not timedelta() <= self.cooldown <= timedelta(days=366):
            raise AlertError("a cool-down is between nothing and a year")
        if len(self.channels) > MOST_CHANNELS:
            raise AlertError(f"a question has at most {MOST_CHANNELS} channels")

    @property
    def verbs(self) -> frozenset[str]:
        """All that must be seen, or not, to answer it."""
        clauses = [self.question.clause, *(step.clause for step in self.question.steps)]
        return frozenset(verb for clause in clauses for verb in clause.verbs)

    @property
    def waits_for_end(self) -> bool:
        """ "held a cup and then did not sit" is not known before the cup is put away."""
        steps = self.question.steps
        return self.at_end or any(s.negated and s.relation is not Relation.AFTER for s in steps)


def understand_standing(
    session: ReadSession,
    text: str,
    *,
    now: datetime,
    verbs: Collection[str] = (),
    objects: Collection[str] = (),
) -> Question:
    """Names are those of the database and the given ones, of a bundle that has seen nothing yet.

    Any other verb of the dictionary is a name as well, for it joins what runs score. Raises
    `AlertError` or `AskError`, with the reason, for what cannot be watched for.
    """

    def read(known: Collection[str]) -> Question:
        return understand(
            text,
            verbs=known,
            objects={*object_classes_seen(session), *objects},
            cameras=cameras(session),
            now=now,
            open_verbs=True,
        )

    known = {*verbs_seen(session), *verbs}
    asked = read(known)
    if joining := _phrases(asked):
        asked = read(known | joining)
    if not asked.answerable:
        raise AlertError(missing(asked.not_understood, asked.absent))
    if left := _phrases(asked):
        raise AlertError(f"not understood: {', '.join(sorted(left))}")
    if asked.form in COUNTS:
        raise AlertError(
            "a count is about the past: ask who did it, and count the alerts (or `stream ask`)"
        )
    if asked.form is Form.NOBODY:
        raise AlertError("that nobody did it is never news: ask who does it")
    times: tuple[Question | Exclusion, ...] = (asked, *asked.exclusions)
    if any(time.since is not None or time.until is not None for time in times):
        raise AlertError(
            "it names a time that passes: leave the time out, and set quiet hours if need be"
        )
    if asked.order is not Order.NEWEST:
        raise AlertError(f"what is {asked.order} may change with everything new: leave that out")
    return asked


def _phrases(question: Question) -> set[str]:
    """Verbs that only stored vectors could be asked for."""
    clauses = [question.clause, *(step.clause for step in question.steps)]
    return {phrase for clause in clauses for phrase in (*clause.phrases, *clause.contrasts)}


def question_to_dict(question: Question) -> dict[str, Any]:
    row: dict[str, Any] = _QUESTION.dump_python(question, mode="json")
    return row


def question_from_dict(row: dict[str, Any]) -> Question:
    try:
        return _QUESTION.validate_python(row)
    except ValidationError as error:
        raise AlertError("a question was saved by another version: add it anew") from error


def parse_cooldown(text: str) -> tuple[timedelta, bool]:
    """`90s`, `5m`, `1h`, `2d`, and `5m per camera`; raises `AlertError`."""
    found = re.fullmatch(r"(\d{1,7}(?:\.\d+)?)\s*([smhd])( per camera)?", text.strip(), re.ASCII)
    if found is None:
        raise AlertError(f"cool-down {text!r}: write 90s, 5m, 1h or '5m per camera'")
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
    return timedelta(**{units[found[2]]: float(found[1])}), found[3] is not None


def shown_cooldown(standing: Standing) -> str:
    each = " per camera" if standing.per_camera else ""
    return f"{standing.cooldown}{each}" if standing.cooldown else ""


def watched(standings: Sequence[Standing]) -> frozenset[str]:
    """The verbs of those that are active."""
    return frozenset(verb for one in standings if one.active for verb in one.verbs)
