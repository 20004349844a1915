"""How an instance looks, in one short vector, and how that helps to tell apart who cross.

Histograms of hue, saturation and brightness over the upper and the lower half of the box, as square
roots, so that the product of two signatures is the mean of their Bhattacharyya coefficients: 1 is
the same, 0 nothing alike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from trackers.utils.iou import BaseIoU, IoU

Floats = npt.NDArray[np.float32]
Looks = Floats  # (384,) unit length

_BINS = (8, 6, 4)  # hue, saturation, brightness
_RANGES = (0, 180, 0, 256, 0, 256)  # of OpenCV's 8-bit HSV
_MARGIN = 0.15  # of the box on every side: mostly background
_UNKNOWN = 0.8  # likeness where a look is not known
_MOST_PIXELS = 48  # a side; more would tell nothing new


def signature(image: npt.NDArray[np.uint8], box: Floats) -> Looks | None:
    """(384,) float32 of unit length; None where the box (4,) xyxy pixels holds too few pixels."""
    left, top, right, bottom = (float(side) for side in box)
    middle = (top + bottom) / 2
    halves = [_histogram(image, left, top, right, middle)]
    halves.append(_histogram(image, left, middle, right, bottom))
    if halves[0] is None or halves[1] is None:
        return None
    return np.asarray(np.concatenate([halves[0], halves[1]]) / np.sqrt(2), np.float32)


def blend(old: Looks, new: Looks, share: float) -> Looks:
    """`old`, a little nearer to `new`; still of unit length."""
    mixed = (1 - share) * old + share * new
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-6), np.float32)


def alike(look: Looks | None, other: Looks | None) -> float:
    """Likeness from 0 to 1; where one is not known, rather alike."""
    return _UNKNOWN if look is None or other is None else float(look @ other)


@dataclass(frozen=True)
class Trust:
    """What looks count for: much for people, little for small things that turn in a hand."""

    exponent: float  # of the similarity, as a weight of the overlap
    least: float  # weight of an overlap between two that look nothing alike
    stranger: float  # less alike than this: not the lost one


OF_PERSONS = Trust(exponent=4.0, least=0.05, stranger=0.3)
OF_THINGS = Trust(exponent=1.0, least=0.25, stranger=0.1)


class LookingIoU(BaseIoU):
    """Overlap, weighed by how alike a track and a detection look.

    ByteTrack hands over boxes alone: of all its tracks in their order first, then of those left
    over. So the first question tells which box is whose.
    """

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self.tracks: Callable[[], Sequence[object]] = list
        self.looks: dict[int, Looks] = {}  # by id of the track object
        self._overlap = IoU()
        self._of_box: dict[bytes, Looks | None] = {}  # tracks and detections of this frame

    def expect(self, looks: Mapping[bytes, Looks | None]) -> None:
        """The detections to come, by the bytes of their boxes."""
        self._of_box = dict(looks)

    def _compute(self, boxes_1: Floats, boxes_2: Floats) -> Floats:
        overlap = np.asarray(self._overlap.compute(boxes_1, boxes_2), np.float32)
        tracks, least = self.tracks(), self.trust.least
        if len(tracks) == len(boxes_1):
            for track, box in zip(tracks, boxes_1, strict=True):
                self._of_box[box.tobytes()] = self.looks.get(id(track))
        for row, column in zip(*np.nonzero(overlap > 0), strict=True):
            likeness = alike(
                self._of_box.get(boxes_1[row].tobytes()),
                self._of_box.get(boxes_2[column].tobytes()),
            )
            overlap[row, column] *= least + (1 - least) * likeness**self.trust.exponent
        return overlap


def _histogram(
    image: npt.NDArray[np.uint8], left: float, top: float, right: float, bottom: float
) -> Floats | None:
    """(192,) square roots of shares."""
    across, down = _MARGIN * (right - left), _MARGIN * (bottom - top)
    rows = slice(max(0, int(top + down)), max(0, int(np.ceil(bottom - down))))
    columns = slice(max(0, int(left + across)), max(0, int(np.ceil(right - across))))
    patch = image[rows, columns]
    if not patch.size:
        return None
    step_y, step_x = (max(1, side // _MOST_PIXELS) for side in patch.shape[:2])
    hsv = cv2.cvtColor(np.ascontiguousarray(patch[::step_y, ::step_x]), cv2.COLOR_RGB2HSV)
    histogram = cv2.calcHist([hsv], [0, 1, 2], None, list(_BINS), list(_RANGES)).ravel()
    roots: Floats = np.sqrt(histogram / max(histogram.sum(), 1)).astype(np.float32)
    return roots
