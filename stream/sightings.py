"""What an event remembers of one frame: when, how sure, where, and the picture."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from storage.interactions import Box
from stream.frames import Image, SmoothedFrame

Pair = tuple[int, int]  # human and object track numbers


@dataclass(frozen=True, eq=False)
class Instant:
    """When and where a pair was, without the picture."""

    media: float  # seconds of the media clock
    wall: datetime
    human_box: Box
    object_box: Box
    object_class: str  # as seen just then
    vector: npt.NDArray[np.float16] | None


@dataclass(frozen=True, eq=False)
class Sighting:
    """One frame of one pair."""

    instant: Instant
    score: float  # belief
    frame: SmoothedFrame

    @property
    def media(self) -> float:
        return self.instant.media

    @property
    def image(self) -> Image:
        return self.frame.frame.image


@dataclass
class Story:
    """An event in the making: its beginning, its latest and its best sighting."""

    first: Instant
    last: Instant
    best: Sighting  # the only one whose frame is kept
    total: float = 0.0
    count: int = 0

    @classmethod
    def begin(cls, sighting: Sighting) -> "Story":
        return cls(sighting.instant, sighting.instant, sighting, sighting.score, 1)

    def add(self, sighting: Sighting) -> None:
        self.last = sighting.instant
        self.total += sighting.score
        self.count += 1
        if sighting.score > self.best.score:
            self.best = sighting

    @property
    def mean(self) -> float:
        return self.total / self.count


@dataclass(frozen=True, eq=False)
class View:
    """One smoothed frame, looked up by track number and by pair."""

    frame: SmoothedFrame
    row_of: Mapping[int, int] = field(init=False)  # track number -> detection row
    score_of: Mapping[Pair, int] = field(init=False)  # pair -> row of the scores
    _beliefs: Mapping[Pair, int] = field(init=False)

    def __post_init__(self) -> None:
        ids = self.frame.detections.tracker_id
        numbers = [] if ids is None else ids.tolist()
        scores, beliefs = self.frame.scores, self.frame.beliefs
        object.__setattr__(self, "row_of", {n: row for row, n in enumerate(numbers)})
        object.__setattr__(self, "score_of", _rows(scores.human, scores.object))
        object.__setattr__(self, "_beliefs", _rows(beliefs.human, beliefs.object))

    @property
    def media(self) -> float:
        return self.frame.frame.media_time

    def belief_row(self, pair: Pair) -> int | None:
        """Row of the pair's beliefs; None: the pair is forgotten."""
        return self._beliefs.get(pair)

    def box(self, number: int) -> Box:
        x1, y1, x2, y2 = (float(v) for v in self.frame.detections.xyxy[self.row_of[number]])
        return x1, y1, x2, y2

    def apart(self, pair: Pair) -> float:
        """Gap between the boxes of the two in person heights; infinite: not both are seen."""
        if any(number not in self.row_of for number in pair):
            return float("inf")
        (ax1, ay1, ax2, ay2), (bx1, by1, bx2, by2) = (self.box(number) for number in pair)
        gap = np.hypot(max(0.0, bx1 - ax2, ax1 - bx2), max(0.0, by1 - ay2, ay1 - by2))
        return float(gap / max(ay2 - ay1, 1.0))

    def confidence(self, number: int) -> float:
        scores = self.frame.detections.confidence
        return 1.0 if scores is None else float(scores[self.row_of[number]])

    def class_name(self, number: int) -> str:
        return str(self.frame.detections.data["class_name"][self.row_of[number]])

    def sighting(self, pair: Pair, score: float) -> Sighting | None:
        """None when one of the two is not in this frame."""
        human, thing = pair
        if human not in self.row_of or thing not in self.row_of:
            return None
        row = self.score_of.get(pair)
        instant = Instant(
            self.media,
            self.frame.frame.wall_time,
            self.box(human),
            self.box(thing),
            self.class_name(thing),
            None if row is None else self.frame.scores.vectors[row],
        )
        return Sighting(instant, score, self.frame)


def _rows(human: npt.NDArray[np.int64], thing: npt.NDArray[np.int64]) -> dict[Pair, int]:
    return {pair: i for i, pair in enumerate(zip(human.tolist(), thing.tolist(), strict=True))}
