"""What flows down the pipeline: frozen values, each stage adds one thing.

Times are seconds of the media clock (monotonic per camera, over epochs) unless a name says wall.
Boxes are `xyxy` in image pixels, float32.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import supervision as sv

from models.pairs import PairScores
from storage.interactions import Interaction
from storage.pair_vectors import PairVector
from storage.tracks import Track

T = TypeVar("T")

Image = npt.NDArray[np.uint8]
Looks = Mapping[int, npt.NDArray[np.float16]]  # of track numbers: (D,) of length one

HELD = "score_rate"  # gated for this reason, a frame says nothing new: beliefs stay as they are


@dataclass(frozen=True, eq=False)
class Frame:
    """One decoded picture of one camera."""

    camera: str
    index: int  # counts decoded frames of the camera, over epochs
    epoch: int  # +1 at every reconnect or timestamp break
    media_time: float  # seconds, monotonic over epochs
    wall_time: datetime  # aware, UTC
    image: Image  # (H, W, 3) RGB


@dataclass(frozen=True, eq=False)
class DetectedFrame:
    """A frame with what the detector found in it."""

    frame: Frame
    detections: sv.Detections


@dataclass(frozen=True, eq=False)
class TrackedFrame:
    """A frame with its instances; `tracker_id` is the number n of the id `camera:epoch:n`."""

    frame: Frame
    detections: sv.Detections


@dataclass(frozen=True, eq=False)
class ScoredFrame:
    """A frame with the verb evidence of its pairs, or the reason why it has none."""

    frame: Frame
    detections: sv.Detections
    scores: PairScores
    gated: str | None = None  # why it was not scored: no_human, no_object, no_pair, HELD, ...
    looks: Looks = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Beliefs:
    """Smoothed probabilities of every live pair, observed in this frame or only predicted."""

    human: npt.NDArray[np.int64]  # (P,) track numbers
    object: npt.NDArray[np.int64]  # (P,)
    probabilities: npt.NDArray[np.float32]  # (P, V)
    observed: npt.NDArray[np.bool_]  # (P,) False: the pair was not seen in this frame


@dataclass(frozen=True, eq=False)
class SmoothedFrame:
    """A scored frame with the beliefs over its camera's pairs."""

    frame: Frame
    detections: sv.Detections
    scores: PairScores
    beliefs: Beliefs
    looks: Looks = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class EventFrame:
    """A frame with what began, changed or ended at it."""

    frame: Frame
    detections: sv.Detections
    changes: tuple["Change", ...]
    active: tuple[Interaction, ...]  # open intervals, for drawing
    samples: tuple[PairVector, ...] = ()  # of the nearest pairs, every few seconds
    tracks: tuple[Track, ...] = ()  # that have gone, or are there for another minute


@dataclass(frozen=True, eq=False)
class Change:
    """An interaction to deliver, with the picture of its best moment so far."""

    interaction: Interaction
    picture: Image | None  # (H, W, 3) RGB
    vector: PairVector | None = None  # at its start or its end


@dataclass(frozen=True, eq=False)
class Round(Generic[T]):
    """At most one frame of every camera, oldest first, and the cameras that ended before it."""

    frames: tuple[T, ...]
    ended: tuple[str, ...] = ()
    closing: tuple[Change, ...] = ()  # events that ended with their camera
    leaving: tuple[Track, ...] = ()  # and who was there then


def changes_of(round_: Round[EventFrame]) -> tuple[Change, ...]:
    """All that began, changed or ended in a round."""
    return (*(change for frame in round_.frames for change in frame.changes), *round_.closing)
