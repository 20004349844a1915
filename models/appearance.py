"""How an instance looks, in one short vector: enough to tell two people apart who cross.

Histograms of hue, saturation and brightness over the upper and the lower half of the box, as square
roots, so that the product of two signatures is the mean of their Bhattacharyya coefficients: 1 is
the same, 0 nothing alike.
"""

import cv2
import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

_BINS = (8, 6, 4)  # hue, saturation, brightness
_RANGES = (0, 180, 0, 256, 0, 256)  # of OpenCV's 8-bit HSV
_MARGIN = 0.15  # of the box on every side: mostly background
_MOST_PIXELS = 48  # a side; more would tell nothing new


def signature(image: npt.NDArray[np.uint8], box: Floats) -> Floats | None:
    """(384,) float32 of unit length; None where the box (4,) xyxy pixels holds too few pixels."""
    left, top, right, bottom = (float(side) for side in box)
    middle = (top + bottom) / 2
    halves = [_histogram(image, left, top, right, middle)]
    halves.append(_histogram(image, left, middle, right, bottom))
    if halves[0] is None or halves[1] is None:
        return None
    return np.asarray(np.concatenate([halves[0], halves[1]]) / np.sqrt(2), np.float32)


def blend(old: Floats, new: Floats, share: float) -> Floats:
    """`old`, a little nearer to `new`; still of unit length."""
    mixed = (1 - share) * old + share * new
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-6), np.float32)


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
