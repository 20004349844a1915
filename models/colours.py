"""Names of colours, as people say them, of what is seen in a box; by hues, nothing is learned."""

import cv2
import numpy as np
import numpy.typing as npt

NAMES = (
    *("black", "grey", "white", "red", "orange", "brown", "yellow", "green", "blue", "purple"),
    "pink",
)

# OpenCV's hue is half of the angle, saturation and value go to 255.
_DARK, _LIGHT = 55, 190  # values: black below, white above if it is pale
_PALE = 45  # saturation below which there is no hue
_BROWN = 150  # value below which orange is brown
_ROSE = 150  # saturation below which a light red is pink
_RED = 8, 171  # hues below the first and from the second on
_ORANGE = 20  # hues below, that are not red
_HUES = ((34, "yellow"), (85, "green"), (128, "blue"), (150, "purple"), (171, "pink"))
_MOST_PIXELS = 32  # a side

UPPER, LOWER = (0.3, 0.2, 0.7, 0.48), (0.3, 0.55, 0.7, 0.85)  # shares of a person's box: x, y, x, y
INNER = (0.2, 0.2, 0.8, 0.8)  # of a thing's; around it one sees what is behind

Shares = npt.NDArray[np.float32]  # (11,) of NAMES; they add up to 1, or to 0: nothing is seen


def colour_shares(image: npt.NDArray[np.uint8], box: npt.NDArray[np.float32]) -> Shares:
    """How much of the box, (4,) xyxy pixels of the RGB image, has which colour."""
    left, top, right, bottom = (max(0, round(float(side))) for side in box)
    patch = image[top:bottom, left:right]
    if not patch.size:
        return np.zeros(len(NAMES), np.float32)
    step_y, step_x = (max(1, side // _MOST_PIXELS) for side in patch.shape[:2])
    hsv = cv2.cvtColor(np.ascontiguousarray(patch[::step_y, ::step_x]), cv2.COLOR_RGB2HSV)
    names = _TABLE[hsv[..., 0], hsv[..., 1] // 8, hsv[..., 2] // 8].ravel()
    counts = np.bincount(names, minlength=len(NAMES)).astype(np.float32)
    return np.asarray(counts / counts.sum(), np.float32)


def part_of(
    box: npt.NDArray[np.float32], part: tuple[float, float, float, float]
) -> npt.NDArray[np.float32]:
    """A part of a box, xyxy both."""
    size = np.tile(box[2:] - box[:2], 2)
    return np.asarray(np.tile(box[:2], 2) + size * np.array(part, np.float32), np.float32)


def name_of(shares: Shares | float) -> str | None:
    """The most frequent colour of summed shares; None where nothing was seen."""
    total = np.broadcast_to(np.asarray(shares, np.float32), len(NAMES))
    return NAMES[int(total.argmax())] if total.sum() > 0 else None


def _make_table() -> npt.NDArray[np.uint8]:
    """(180, 32, 32) of NAMES: of each hue, and of each eighth of saturations and values."""
    hue, saturation, value = np.ogrid[:180, 4:256:8, 4:256:8]
    red = (hue < _RED[0]) | (hue >= _RED[1])
    rules = (  # the first that fits counts
        ("black", value < _DARK),
        ("white", (saturation < _PALE) & (value >= _LIGHT)),
        ("grey", saturation < _PALE),
        ("pink", red & (saturation < _ROSE) & (value >= _LIGHT)),
        ("red", red),
        ("brown", (hue < _ORANGE) & (value < _BROWN)),
        ("orange", hue < _ORANGE),
        *((name, hue < limit) for limit, name in _HUES),
    )
    places = [np.uint8(NAMES.index(name)) for name, _ in rules]
    return np.select(np.broadcast_arrays(*(fits for _, fits in rules)), places)


_TABLE = _make_table()
