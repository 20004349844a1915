"""How an instance looks, in one short vector, and how that helps to tell apart who cross.

Histograms of hue, saturation and brightness over two bands of the box, as square roots, so that the
product of two is a Bhattacharyya coefficient: 1 is the same, 0 nothing alike. Of people who are
half hidden, what still shows is looked at.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import numpy.typing as npt
from trackers.utils.iou import BaseIoU, IoU

Floats = npt.NDArray[np.float32]
Looks = Floats  # (2, 192): two bands of the box, rows of unit length or zeros

_BINS = (8, 6, 4)  # hue, saturation, brightness
_RANGES = (0, 180, 0, 256, 0, 256)  # of OpenCV's 8-bit HSV
_EDGE = 0.2  # of the width of someone nearer, left and right, through which one sees
_LEAST_SEEN = 0.15  # of a band; less tells nothing
_UNKNOWN = 0.8  # likeness where a look is not known
_MOST_PIXELS = 48  # a side; more would tell nothing new


def signature(
    image: npt.NDArray[np.uint8],
    box: Floats,
    part: "Part",
    nearer: Sequence[Floats] = (),
) -> Looks | None:
    """(2, 192) float32, rows of unit length, or zeros where nothing can be seen of a band.

    `box` and those `nearer` to the camera, which hide what they cover: (4,) xyxy pixels. None where
    nothing can be seen at all.
    """
    left, top, right, bottom = (float(side) for side in box)
    across = part.margin * (right - left)
    columns = _span(left + across, right - across)
    looks = np.zeros((2, int(np.prod(_BINS))), np.float32)
    for band, (start, end) in enumerate(part.bands):
        rows = _span(top + start * (bottom - top), top + end * (bottom - top))
        looks[band] = _histogram(image, rows, columns, nearer)
    return looks if looks.any() else None


def blend(old: Looks, new: Looks, share: float) -> Looks:
    """`old`, a little nearer to `new` where both are seen."""
    known, seen = old.any(1, keepdims=True), new.any(1, keepdims=True)
    mixed = np.where(known & seen, (1 - share) * old + share * new, old + new * ~known)
    norm = np.linalg.norm(mixed, axis=1, keepdims=True)
    return np.asarray(mixed / np.maximum(norm, 1e-6), np.float32)


def alike(look: Looks | None, other: Looks | None) -> float:
    """Likeness from 0 to 1 of what is seen of both; where that is nothing, rather alike."""
    if look is None or other is None:
        return _UNKNOWN
    both = look.any(1) & other.any(1)
    return float((look * other).sum(1)[both].mean()) if both.any() else _UNKNOWN


@dataclass(frozen=True)
class Part:
    """Of a box, what is looked at; shares of its width and height."""

    margin: float  # left and right: mostly background
    bands: tuple[tuple[float, float], tuple[float, float]]


TRUNK = Part(0.3, ((0.18, 0.5), (0.5, 0.85)))  # what people wear
WHOLE = Part(0.15, ((0.075, 0.425), (0.575, 0.925)))


@dataclass(frozen=True)
class Trust:
    """What looks count for: much for people, little for small things that turn in a hand."""

    exponent: float  # of the similarity, as a weight of the overlap
    least: float  # weight of an overlap between two that look nothing alike
    stranger: float  # less alike than this: not the lost one
    part: Part


OF_PERSONS = Trust(exponent=3.0, least=0.05, stranger=0.3, part=TRUNK)
OF_THINGS = Trust(exponent=1.0, least=0.25, stranger=0.1, part=WHOLE)


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


def _span(start: float, end: float) -> slice:
    return slice(max(0, int(start)), max(0, int(np.ceil(end))))


def _histogram(
    image: npt.NDArray[np.uint8], rows: slice, columns: slice, nearer: Sequence[Floats]
) -> Floats:
    """(192,) square roots of shares; zeros where too little is seen."""
    patch = image[rows, columns]
    mask = np.ones(patch.shape[:2], np.uint8)
    for box in nearer:
        edge = _EDGE * (box[2] - box[0])
        left, right = int(box[0] + edge), int(box[2] - edge)
        top, bottom = int(box[1]), int(box[3])
        y, x = rows.start, columns.start
        mask[max(0, top - y) : max(0, bottom - y), max(0, left - x) : max(0, right - x)] = 0
    if not patch.size or mask.mean() < _LEAST_SEEN:
        return np.zeros(int(np.prod(_BINS)), np.float32)
    step_y, step_x = (max(1, side // _MOST_PIXELS) for side in patch.shape[:2])
    hsv = cv2.cvtColor(np.ascontiguousarray(patch[::step_y, ::step_x]), cv2.COLOR_RGB2HSV)
    mask = np.ascontiguousarray(mask[::step_y, ::step_x])
    histogram = cv2.calcHist([hsv], [0, 1, 2], mask, list(_BINS), list(_RANGES)).ravel()
    roots: Floats = np.sqrt(histogram / max(histogram.sum(), 1)).astype(np.float32)
    return roots
