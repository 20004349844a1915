"""Scoring events against truth: one-to-one matching, F1, id switches.

Protocol: an event names a truth pair if its two tracks lay on that pair (same class, IoU >= 0.5)
in at least half of its frames. An interval is right if verb and pair agree and its temporal IoU
with a free true interval is at least 0.3; a moment if it is within 1 s. Truth that could not be
seen (either of the two hidden or out of the picture for more than half of it) counts neither way.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

TEMPORAL_IOU = 0.3
MOMENT_SECONDS = 1.0
_BOX_IOU = 0.5
_AROUND_MOMENT = 0.5  # seconds around a moment in which its tracks are looked up
_DRAWS, _PERCENT = 1000, (2.5, 97.5)  # of the bootstrap

Pair = tuple[int, int]
Counts = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Event:
    """A predicted or true event; a moment has start == end. Ids are tracks or truth ids."""

    verb: str
    human: int
    object: int
    start: float  # seconds
    end: float
    moment: bool = False
    ignored: bool = False  # truth that nobody could have seen


@dataclass(frozen=True)
class Instances:
    """Boxes of one frame, predicted or true: ids (N,), class names (N,), xyxy (N, 4)."""

    seconds: float
    ids: Sequence[int]
    classes: Sequence[str]
    boxes: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Tally:
    """Counts per verb."""

    right: Counter[str] = field(default_factory=Counter)
    predicted: Counter[str] = field(default_factory=Counter)
    true: Counter[str] = field(default_factory=Counter)


@dataclass(frozen=True)
class F1:
    """Precision, recall and F1 over clips; the interval of F1 (95 %) by drawing clips anew."""

    precision: float
    recall: float
    f1: float
    low: float
    high: float


def score_clips(clips: Sequence[Tally], verbs: Collection[str]) -> F1:
    """Over these verbs, micro-averaged."""
    counts = _counts(clips, verbs)
    right, predicted, true = counts.sum(0).tolist()
    low, high = np.percentile(_f1(_drawn(counts)), _PERCENT)
    f1 = float(_f1(counts.sum(0)))
    return F1(right / max(predicted, 1), right / max(true, 1), f1, float(low), float(high))


def compare_clips(
    clips: Sequence[Tally], others: Sequence[Tally], verbs: Collection[str]
) -> tuple[float, float, float]:
    """F1 less that of others on the same clips, with its interval (95 %)."""
    counts, theirs = _counts(clips, verbs), _counts(others, verbs)
    difference = float(_f1(counts.sum(0)) - _f1(theirs.sum(0)))
    low, high = np.percentile(_f1(_drawn(counts)) - _f1(_drawn(theirs)), _PERCENT)
    return difference, float(low), float(high)


def _counts(clips: Sequence[Tally], verbs: Collection[str]) -> Counts:
    """(C, 3): right, predicted, true of each clip."""
    columns = [(clip.right, clip.predicted, clip.true) for clip in clips]
    return np.array([[sum(one[v] for v in verbs) for one in row] for row in columns])


def _drawn(counts: Counts) -> Counts:
    """(C, 3) -> (draws, 3) sums of clips that are drawn anew, the same ones every time."""
    times = np.random.default_rng(0).integers(len(counts), size=(_DRAWS, len(counts)))
    drawn: Counts = counts[times].sum(1)
    return drawn


def _f1(counts: Counts) -> npt.NDArray[np.float64]:
    """(..., 3) -> (...)."""
    f1: npt.NDArray[np.float64] = 2 * counts[..., 0] / np.maximum(counts[..., 1:].sum(-1), 1)
    return f1


def map_tracks(
    predicted: Instances, true: Instances, keep: Mapping[int, int] | None = None
) -> dict[int, int]:
    """Track id -> truth id: one-to-one, same class, IoU >= 0.5, by falling IoU.

    Those of `keep` (truth id -> its last track) that still overlap so much go first, as CLEAR MOT
    has it (Bernardin and Stiefelhagen 2008, section 2.1.3).
    """
    overlaps = box_iou(predicted.boxes, true.boxes)
    same = np.array([[p == t for t in true.classes] for p in predicted.classes], bool)
    overlaps = np.where(same.reshape(overlaps.shape), overlaps, 0)
    old = np.array([[(keep or {}).get(t) == p for t in true.ids] for p in predicted.ids], bool)
    order = np.where(overlaps >= _BOX_IOU, overlaps + old.reshape(overlaps.shape), 0)
    mapping: dict[int, int] = {}
    while order.size and order.max() > 0:
        row, column = np.unravel_index(order.argmax(), order.shape)
        mapping[predicted.ids[int(row)]] = true.ids[int(column)]
        order[row, :] = 0
        order[:, column] = 0
    return mapping


def id_switches(mappings: Iterable[Mapping[int, int]]) -> int:
    """How often a truth id is covered by another track than the one that covered it last."""
    last: dict[int, int] = {}
    switches = 0
    for mapping in mappings:
        for track, truth in mapping.items():
            switches += last.get(truth, track) != track
            last[truth] = track
    return switches


def tally(
    predicted: Sequence[Event],
    true: Sequence[Event],
    times: npt.NDArray[np.float64],
    mappings: Sequence[Mapping[int, int]],
) -> Tally:
    """Match one clip's events; `mappings[i]` maps tracks to truth ids at `times[i]`."""
    counts = Tally(true=Counter(t.verb for t in true if not t.ignored))
    free = set(range(len(true)))
    named = [(event, _named_pair(event, times, mappings)) for event in predicted]
    found = [
        (_agreement(event, true[i]), e, i)
        for e, (event, pair) in enumerate(named)
        for i in free
        if pair == (true[i].human, true[i].object) and event.verb == true[i].verb
    ]
    matched: dict[int, int] = {}
    for agreement, e, i in sorted(found, key=lambda item: -item[0]):
        if agreement > 0 and e not in matched and i in free:
            matched[e] = i
            free.discard(i)
    for e, (event, _) in enumerate(named):
        hit = matched.get(e)
        if hit is not None and true[hit].ignored:
            continue
        counts.predicted[event.verb] += 1
        counts.right[event.verb] += hit is not None
    return counts


def box_iou(
    boxes: npt.NDArray[np.float32], others: npt.NDArray[np.float32]
) -> npt.NDArray[np.float32]:
    """(N, 4) and (M, 4) xyxy -> (N, M)."""
    boxes, others = boxes.reshape(-1, 4), others.reshape(-1, 4)
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(-1)  # (N, M)
    areas = [np.clip(b[:, 2:] - b[:, :2], 0, None).prod(-1) for b in (boxes, others)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    iou: npt.NDArray[np.float32] = (shared / np.maximum(union, 1e-6)).astype(np.float32)
    return iou


def _named_pair(
    event: Event, times: npt.NDArray[np.float64], mappings: Sequence[Mapping[int, int]]
) -> Pair | None:
    margin = _AROUND_MOMENT if event.moment else 1e-6
    ends = np.searchsorted(times, [event.start - margin, event.end + margin + 1e-9])
    low, high = int(ends[0]), int(ends[1])
    seen = Counter(
        (mapping[event.human], mapping[event.object])
        for mapping in mappings[low:high]
        if event.human in mapping and event.object in mapping
    )
    if not seen:
        return None
    pair, count = seen.most_common(1)[0]
    return pair if count >= 0.5 * seen.total() else None


def _agreement(event: Event, truth: Event) -> float:
    """Above 0: they may be the same; higher is better."""
    if event.moment:
        return max(0.0, MOMENT_SECONDS - abs(event.start - truth.start) + 1e-9)
    shared = min(event.end, truth.end) - max(event.start, truth.start)
    whole = max(event.end, truth.end) - min(event.start, truth.start)
    overlap = shared / whole if whole > 0 else 0.0
    return overlap if overlap >= TEMPORAL_IOU else 0.0
