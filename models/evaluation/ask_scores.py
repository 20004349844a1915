"""How good answers are: recall of the first rows, abstention, counts; intervals by clip."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.evaluation.ask_questions import OPEN, Asked
from models.evaluation.diary import Diary, Found

ALL, CONFIGURED = "all", "all but open verbs"
_ROWS = 5
_RESAMPLES = 500
_LEVEL = 0.95

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Reply:
    """What somebody answered; rows in their order."""

    rows: tuple[Found, ...]
    number: int | None = None
    yes: bool | None = None
    understood: bool = True

    @property
    def confidence(self) -> float:
        """Of the best row shown first; nothing found is the lowest."""
        return max((row.score for row in self.rows[:_ROWS]), default=-np.inf)


@dataclass(frozen=True)
class Outcome:
    """A question with its answer, marked."""

    asked: Asked
    reply: Reply
    hits: tuple[bool, ...]  # of the first rows
    exact: bool | None  # the number, or yes or no; None: not asked for

    @property
    def answerable(self) -> bool:
        return bool(self.asked.right)

    @property
    def wrong(self) -> bool:
        """Not the right row first, a row where there is none, or another number."""
        missed = self.answerable and not any(self.hits[:1])
        return missed or self.exact is False or not (self.answerable or not self.reply.rows)


@dataclass(frozen=True)
class Share:
    """A value with its bootstrap interval; NaN where there is nothing to measure."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class KindRow:
    """One line of the table."""

    kind: str
    questions: int
    first: Share  # R@1 of the answerable ones
    five: Share  # R@5
    auroc: Share  # confidence of the answerable against that of all that have no answer
    exact: float  # share of numbers and yes-or-no that are right


def mark(diary: Diary, asked: Asked, reply: Reply) -> Outcome:
    hits = tuple(any(diary.shows(row, one) for one in asked.right) for row in reply.rows[:_ROWS])
    exact = None
    if asked.number is not None:
        exact = reply.number == asked.number
    elif asked.yes is not None:
        exact = reply.yes == asked.yes
    return Outcome(asked, reply, hits, exact)


def table(outcomes: Sequence[Outcome], *, seed: int = 0) -> list[KindRow]:
    """A line for every kind, in the order of the questions, and two for all."""
    kinds = list(dict.fromkeys(outcome.asked.kind for outcome in outcomes))
    unanswerable = [outcome for outcome in outcomes if not outcome.answerable]
    rows = []
    for kind in (*kinds, CONFIGURED, ALL):
        own = [
            o
            for o in outcomes
            if kind in (o.asked.kind, ALL) or (kind == CONFIGURED and o.asked.kind != OPEN)
        ]
        rows.append(_row(kind, own, unanswerable, np.random.default_rng(seed)))
    return rows


def auroc(positive: Floats, negative: Floats) -> float:
    """Chance that one of the former is above one of the latter; equal ones count half."""
    if not len(positive) or not len(negative):
        return float("nan")
    above = (positive[:, None] > negative[None]).mean()
    return float(above + 0.5 * (positive[:, None] == negative[None]).mean())


def _row(
    kind: str, own: Sequence[Outcome], unanswerable: Sequence[Outcome], rng: np.random.Generator
) -> KindRow:
    answerable = [outcome for outcome in own if outcome.answerable]
    exact = [outcome.exact for outcome in own if outcome.exact is not None]

    def ranked(positive: Sequence[Outcome], negative: Sequence[Outcome]) -> float:
        return auroc(_confidences(positive), _confidences(negative))

    return KindRow(
        kind,
        len(own),
        _share(answerable, (), lambda some, _: _recall(some, 1), rng),
        _share(answerable, (), lambda some, _: _recall(some, _ROWS), rng),
        _share(answerable, unanswerable, ranked, rng),
        float(np.mean(exact)) if exact else float("nan"),
    )


def _recall(outcomes: Sequence[Outcome], rows: int) -> float:
    hit = [any(outcome.hits[:rows]) for outcome in outcomes]
    return float(np.mean(hit)) if hit else float("nan")


def _confidences(outcomes: Sequence[Outcome]) -> Floats:
    return np.array([outcome.reply.confidence for outcome in outcomes], np.float64)


def _share(
    positive: Sequence[Outcome],
    negative: Sequence[Outcome],
    measure: Callable[[Sequence[Outcome], Sequence[Outcome]], float],
    rng: np.random.Generator,
) -> Share:
    """Questions of one clip are drawn together: they fail together."""
    if not positive:
        return Share(*[float("nan")] * 3)
    by_clip: dict[int, list[Outcome]] = {}
    for outcome in positive:
        by_clip.setdefault(min(outcome.asked.clips), []).append(outcome)
    clips, values = list(by_clip), []
    for _ in range(_RESAMPLES):
        drawn = [o for c in rng.integers(len(clips), size=len(clips)) for o in by_clip[clips[c]]]
        places = rng.integers(len(negative), size=len(negative)) if negative else ()
        values.append(measure(drawn, [negative[i] for i in places]))
    tail = 100 * (1 - _LEVEL) / 2
    low, high = np.percentile(values, (tail, 100 - tail))
    return Share(measure(positive, negative), float(low), float(high))
