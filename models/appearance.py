"""How an instance looks, in one short vector: enough to tell two people apart who cross.

A histogram of hue, saturation and brightness over the middle of the box, as square roots, so that
the product of two signatures is their Bhattacharyya coefficient: 1 is the same, 0 nothing alike.
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
    """(192,) float32 of unit length; None where the box holds no pixels."""
    width, height = box[2] - box[0], box[3] - box[1]
    left, right = int(box[0] + _MARGIN * width), int(np.ceil(box[2] - _MARGIN * width))
    top, bottom = int(box[1] + _MARGIN * height), int(np.ceil(box[3] - _MARGIN * height))
    patch = image[max(0, top) : max(0, bottom), max(0, left) : max(0, right)]
    if not patch.size:
        return None
    step_y, step_x = (max(1, side // _MOST_PIXELS) for side in patch.shape[:2])
    hsv = cv2.cvtColor(np.ascontiguousarray(patch[::step_y, ::step_x]), cv2.COLOR_RGB2HSV)
    histogram = cv2.calcHist([hsv], [0, 1, 2], None, list(_BINS), list(_RANGES)).ravel()
    roots: Floats = np.sqrt(histogram / max(histogram.sum(), 1)).astype(np.float32)
    return roots


def blend(old: Floats, new: Floats, share: float) -> Floats:
    """`old`, a little nearer to `new`; still of unit length."""
    mixed = (1 - share) * old + share * new
    return np.asarray(mixed / max(float(np.linalg.norm(mixed)), 1e-6), np.float32)
