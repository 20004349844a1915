"""What a tracker remembers of one thing or person, and how likely a new track is that one."""

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from models.appearance import Looks

_SAME_PLACE = 0.6  # how far (in own sizes) a standing thing may be found from where it was lost
_REACH = 5.0  # own sizes per second: how far a lost thing may have moved in a gap
_SIZE_RATIO = 4.0  # a mended track may not change its longer side by more than this factor
_CONFIDENCE_SHARE = 0.3  # how fast a confidence follows what is seen
_VOTES_HALF_LIFE = 2.0  # seconds; a class seen for long does not outvote what is seen now
_NEAR_PERSON = 0.15  # person heights around the person's box that still count as "with them"

Box = npt.NDArray[np.float32]  # (4,) xyxy pixels


@dataclass
class Identity:
    """One thing or person over all its fragments."""

    number: int
    box: Box  # last seen, xyxy pixels
    seconds: float  # last seen
    velocity: npt.NDArray[np.float32]  # (2,) pixels/s of the centre, smoothed
    looks: Looks | None = None
    confidence: float = 0.0  # of its detections, smoothed
    carriers: frozenset[int] = frozenset()  # persons around it when last seen
    votes: dict[int, float] = field(default_factory=dict)  # class id -> summed confidence

    def see(self, box: Box, seconds: float, around: frozenset[int]) -> None:
        """It is here now; what it was taken for fades."""
        elapsed = seconds - self.seconds
        kept = 0.5 ** (elapsed / _VOTES_HALF_LIFE)
        self.votes = {class_id: vote * kept for class_id, vote in self.votes.items()}
        if elapsed > 0:
            moved = (_centre(box) - _centre(self.box)) / np.float32(elapsed)
            self.velocity = 0.6 * self.velocity + 0.4 * moved
        self.box, self.seconds, self.carriers = box, seconds, around

    def vote(self, class_id: int, confidence: float) -> int:
        """What it most likely is, this detection counted."""
        self.confidence += _CONFIDENCE_SHARE * (confidence - self.confidence)
        self.votes[class_id] = self.votes.get(class_id, 0.0) + confidence
        return max(self.votes, key=lambda c: self.votes[c])

    def cost(
        self,
        box: Box,
        seconds: float,
        around: frozenset[int],
        *,
        mend_seconds: float,
        carried_seconds: float,
    ) -> float:
        """Of taking a new track for this one that was lost; below 1 it may be, lower is likelier.

        `carried_seconds`: how long one is waited for beside the person who carried it.
        """
        gap = seconds - self.seconds
        old, new = _length(self.box), _length(box)
        if max(old, new) > _SIZE_RATIO * min(old, new):
            return np.inf
        size = float(np.sqrt(max(_area(self.box), _area(box))))
        if gap <= carried_seconds and self.carriers & around:
            return 0.5 + 0.5 * gap / carried_seconds * 0.9
        if gap > mend_seconds:
            return np.inf
        predicted = _centre(self.box) + self.velocity * min(gap, 0.5)
        distance = min(
            float(np.linalg.norm(_centre(box) - predicted)),
            float(np.linalg.norm(_centre(box) - _centre(self.box))),
        )
        return distance / ((_SAME_PLACE + _REACH * gap) * size)


def around_of(box: Box, persons: dict[int, Box]) -> frozenset[int]:
    """Persons whose box, a little widened, holds the centre of `box`."""
    x, y = _centre(box)
    near = []
    for number, person in persons.items():
        margin = _NEAR_PERSON * (person[3] - person[1])
        if (
            person[0] - margin <= x <= person[2] + margin
            and person[1] - margin <= y <= person[3] + margin
        ):
            near.append(number)
    return frozenset(near)


def _centre(box: Box) -> Box:
    return (box[:2] + box[2:]) / np.float32(2)


def _length(box: Box) -> float:
    """Longer side; a laptop that is closed keeps it."""
    return float(max(box[2] - box[0], box[3] - box[1], 1))


def _area(box: Box) -> float:
    return float(max(box[2] - box[0], 1) * max(box[3] - box[1], 1))
