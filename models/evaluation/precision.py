"""From scored detections to average precision; what both HOI metrics have in common.

Equal scores are counted in the least favourable order, those that hit nothing first, so that no
number depends on the order in which detections come.
"""

import numpy as np
import numpy.typing as npt
import torch

from models.datasets.examples import Ints

Doubles = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

# As the public evaluation has them: its fourth is a hair above 0.3, which 3 of 10 do not reach.
RECALLS: Doubles = torch.linspace(0, 1, 11, dtype=torch.float64).numpy()


def paired_iou(
    boxes: npt.NDArray[np.floating], others: npt.NDArray[np.floating], *, pixel: int = 0
) -> Doubles:
    """(N, 4) and (N, 4) xyxy -> (N,), row by row; 0 if one of the two is NaN.

    `pixel` is 1 where x2 and y2 name the last pixel of a box, not its far edge.
    """
    a, b = boxes.astype(np.float64), others.astype(np.float64)
    low, high = np.maximum(a[:, :2], b[:, :2]), np.minimum(a[:, 2:], b[:, 2:])
    shared = np.maximum(high - low + pixel, 0).prod(1)
    areas = [(box[:, 2:] - box[:, :2] + pixel).prod(1) for box in (a, b)]
    union = areas[0] + areas[1] - shared
    iou: Doubles = np.divide(shared, union, out=np.zeros(len(a)), where=union > 0)
    return iou


def join_ranges(counts: Ints) -> tuple[Ints, Ints]:
    """For rows that each have `counts` partners: (K,) the row, and (K,) which of its partners."""
    rows = np.repeat(np.arange(len(counts)), counts)
    first = np.repeat(np.cumsum(counts) - counts, counts)
    return rows, np.arange(len(rows)) - first


def best_partner(rows: Ints, overlaps: Doubles) -> Ints:
    """Index (R,) of the first largest overlap of every row that occurs; `rows` (K,) is sorted."""
    starts = np.flatnonzero(np.r_[True, rows[1:] != rows[:-1]]) if len(rows) else rows
    if not len(starts):
        return np.zeros(0, np.int64)
    largest = np.maximum.reduceat(overlaps, starts)
    lengths = np.diff(np.r_[starts, len(rows)])
    place = np.where(overlaps == np.repeat(largest, lengths), np.arange(len(rows)), len(rows))
    return np.minimum.reduceat(place, starts)


def first_hits(truth: Ints, scores: npt.NDArray[np.floating]) -> Bools:
    """(M,): the best-scored detection of every truth; -1 in `truth` (M,) covers none."""
    rows = np.flatnonzero(truth >= 0)
    rows = rows[np.lexsort((-scores[rows], truth[rows]))]
    hits = np.zeros(len(truth), bool)
    hits[rows[np.r_[True, truth[rows][1:] != truth[rows][:-1]][: len(rows)]]] = True
    return hits


def eleven_point_ap(scores: npt.NDArray[np.floating], hits: Bools, positives: int) -> float:
    """Mean over recalls 0, 0.1 .. 1 of the best precision at that recall or more; 0 unreached."""
    precision, recall = _curve(scores, hits, positives)
    if not len(recall) or not positives:
        return 0.0
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(recall, RECALLS, side="left")].mean())


def area_ap(scores: npt.NDArray[np.floating], hits: Bools, positives: int) -> float:
    """Area under the precision envelope, as PASCAL VOC has it since 2010; NaN without positives."""
    if not positives:
        return float("nan")
    precision, recall = _curve(scores, hits, positives)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float((np.diff(recall, prepend=0.0) * envelope).sum())


def _curve(
    scores: npt.NDArray[np.floating], hits: Bools, positives: int
) -> tuple[Doubles, Doubles]:
    """Precision and recall (N,) after each detection, by falling score."""
    order = np.lexsort((hits, -scores))
    found = np.cumsum(hits[order], dtype=np.float64)
    return found / np.arange(1, len(found) + 1), found / max(positives, 1)
