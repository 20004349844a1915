"""Pictures of a CMMP at work on one frame, for `docs/cmmp.md`: steps, spatial patterns, scores."""

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image as Pictures
from PIL import ImageDraw, ImageFont

from models.evaluation.insight import Floats, Insight

Image = npt.NDArray[np.uint8]
Colour = tuple[int, int, int]

_PERSON, _THING, _BOTH, _INK, _PALE = (
    *((47, 128, 237), (242, 153, 74), (39, 174, 96), (30, 30, 30), (225, 225, 225)),
)
_PANEL = 400  # width in pixels
_GAP, _LINE = 16, 22
_CELL = 22  # side of a table's square
_COLUMNS = (  # of a spatial pattern; as many logarithms of them follow
    *("person x", "person y", "person w", "person h"),
    *("thing x", "thing y", "thing w", "thing h", "person area", "thing area"),
    *("person w/h", "thing w/h", "areas' ratio", "IoU", "left", "right", "above", "below"),
)


def draw_steps(image: Image, insight: Insight, verbs: Sequence[str]) -> Pictures.Image:
    """Pairs, adapters' attention and regions of the pair that surely does something."""
    pair, best = _surest(insight)
    person, thing = insight.pairing[:, pair]
    who, what = insight.names[person], insight.names[thing]
    panels = [
        ("1  everyone with the things near them", _pairs(image, insight)),
        (f"3  adapters: patches look at {who}", _heat(image, insight.attention[person])),
        (f"and at {what}", _heat(image, insight.attention[thing])),
        (f"4  regions: h, {who}", _heat(image, insight.regions[person], insight.boxes[person])),
        (f"o, {what}", _heat(image, insight.regions[thing], insight.boxes[thing])),
        ("u, both", _heat(image, insight.unions[pair])),
    ]
    width, height = panels[0][1].size
    sheet = Pictures.new(
        "RGB", (3 * width + 4 * _GAP, 2 * (height + _LINE + _GAP) + 2 * _LINE + _GAP), "white"
    )
    pen = ImageDraw.Draw(sheet)
    for number, (title, panel) in enumerate(panels):
        x = _GAP + (number % 3) * (width + _GAP)
        y = _GAP + (number // 3) * (height + _LINE + _GAP)
        pen.text((x, y), title, _INK, _font())
        sheet.paste(panel, (x, y + _LINE))
    chances = ", ".join(f"{verbs[v]} {insight.probabilities[pair, v]:.2f}" for v in best)
    y = sheet.height - 2 * _LINE
    text = (
        f"5  q = s_H h W_H + s_O o W_O + s_T u    6  q · T, calibrated:  {who}, {what}:  {chances}"
    )
    pen.text((_GAP, y), text, _INK, _font())
    return sheet


def draw_scores(
    insight: Insight, verbs: Sequence[str], truth: npt.NDArray[np.bool_]
) -> Pictures.Image:
    """Probability of each verb for each pair; framed (P, V) what is true, grey what cannot be."""
    shown = np.flatnonzero(np.isfinite(insight.probabilities).any(0))
    rows = [f"{insight.names[a]}, {insight.names[b]}" for a, b in insight.pairing.T]
    return _table(
        insight.probabilities[:, shown],
        rows,
        [verbs[int(v)] for v in shown],
        framed=truth[:, shown],
        numbers=True,
    )


def draw_patterns(insight: Insight) -> Pictures.Image:
    """The spatial patterns' numbers, each column in its own deviations, and who hears which."""
    patterns = insight.patterns[:, : len(_COLUMNS)]
    spread = (patterns - patterns.mean(0)) / np.maximum(patterns.std(0), 1e-6)
    names = [f"pattern {k}" for k in range(len(patterns))]
    left = _table(0.5 + spread / 6, names, _COLUMNS[: patterns.shape[1]])
    right = _table(insight.hears.T, [""] * len(names), insight.names, numbers=True)
    sheet = Pictures.new("RGB", (left.width + right.width, max(left.height, right.height)), "white")
    for x, part in ((0, left), (left.width, right)):
        sheet.paste(part, (x, sheet.height - part.height))
    return sheet


def _surest(insight: Insight) -> tuple[int, list[int]]:
    """The pair with the highest probability, and its three likeliest verbs."""
    chances = np.nan_to_num(insight.probabilities)
    pair = int(chances.max(1).argmax())
    return pair, [int(v) for v in np.argsort(-chances[pair])[:3] if chances[pair, v] > 0]


def _pairs(image: Image, insight: Insight) -> Pictures.Image:
    picture, scale = _shrunk(image)
    pen = ImageDraw.Draw(picture)
    boxes = insight.boxes * scale
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    for person, thing in insight.pairing.T:
        ends = (*centres[person].tolist(), *centres[thing].tolist())
        pen.line(ends, _BOTH, 2)
    people = set(insight.pairing[0].tolist())
    for row, (name, box) in enumerate(zip(insight.names, boxes.tolist(), strict=True)):
        colour = _PERSON if row in people else _THING
        pen.rectangle(box, outline=colour, width=2)
        at = (max(box[0], 0), max(box[1] - 15, 0))
        pen.rectangle(pen.textbbox(at, name, _font(12)), fill=colour)
        pen.text(at, name, "white", _font(12))
    return picture


def _heat(image: Image, weights: Floats, box: Floats | None = None) -> Pictures.Image:
    """Weights (g, g) of the frame's patches over it, from the least to the largest."""
    picture, scale = _shrunk(image)
    share = (weights - weights.min()) / max(float(np.ptp(weights)), 1e-9)
    cells = cv2.resize(share, picture.size, interpolation=cv2.INTER_NEAREST)
    colours = cv2.applyColorMap((255 * cells).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    grey = np.array(picture.convert("L").convert("RGB"), np.float32)
    mixed = Pictures.fromarray((0.45 * grey + 0.55 * colours).astype(np.uint8))
    if box is not None:
        ImageDraw.Draw(mixed).rectangle((box * scale).tolist(), outline="white", width=2)
    return mixed


def _shrunk(image: Image) -> tuple[Pictures.Image, float]:
    scale = _PANEL / image.shape[1]
    size = _PANEL, round(image.shape[0] * scale)
    return Pictures.fromarray(image).resize(size, Pictures.Resampling.BICUBIC), scale


def _table(
    values: Floats,
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    framed: npt.NDArray[np.bool_] | None = None,
    numbers: bool = False,
) -> Pictures.Image:
    """Squares from white (0) to blue (1); NaN is grey. `numbers`: in hundredths."""
    font = _font(13)
    left = _GAP + max(int(font.getlength(name)) for name in rows) + 8
    top = _GAP + max(int(font.getlength(name)) for name in columns) + 8
    size = left + _CELL * len(columns) + _GAP, top + _CELL * len(rows) + _GAP
    sheet = Pictures.new("RGB", size, "white")
    pen = ImageDraw.Draw(sheet)
    for column, name in enumerate(columns):
        label = Pictures.new("RGB", (top - _GAP, _CELL), "white")
        ImageDraw.Draw(label).text((0, 3), name, _INK, font)
        sheet.paste(label.rotate(90, expand=True), (left + _CELL * column, _GAP - 4))
    for row, name in enumerate(rows):
        y = top + _CELL * row
        pen.text((_GAP, y + 3), name, _INK, font)
        for column, value in enumerate(values[row]):
            x = left + _CELL * column
            corners = (x, y, x + _CELL - 2, y + _CELL - 2)
            pen.rectangle(corners, fill=_shade(float(value)))
            if framed is not None and framed[row, column]:
                pen.rectangle(corners, outline=_THING, width=3)
            if numbers and np.isfinite(value):
                ink = "white" if value > 0.5 else _INK
                pen.text((x + 3, y + 4), f"{100 * value:2.0f}", ink, _font(11))
    return sheet


def _shade(value: float) -> Colour:
    if not np.isfinite(value):
        return _PALE
    part = float(np.clip(value, 0, 1))
    red, green, blue = (round(250 + (end - 250) * part) for end in (18, 70, 160))
    return red, green, blue


def _font(size: int = 14) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(size)
