"""Which (human, object) pairs of a frame are worth scoring, and what their boxes tell."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import supervision as sv

PERSON = "person"
FEATURES = 16  # numbers that describe a pair of boxes

_FAR = 1.0  # person heights between the boxes: further apart, nobody does anything with it
_MOST_PAIRS = 256  # of a frame; the nearest are kept

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class PairScores:
    """Verb evidence for the P scored pairs of one frame; logits = vectors @ prototypes.T."""

    human: npt.NDArray[np.int64]  # (P,) track numbers
    object: npt.NDArray[np.int64]  # (P,)
    logits: npt.NDArray[np.float32]  # (P, V), raw: vectors @ prototypes.T
    vectors: npt.NDArray[np.float16]  # (P, D)
    evidence: npt.NDArray[np.float32]  # (P, V), calibrated log-odds; -inf: not with this class


def select_pairs(detections: sv.Detections, objects: frozenset[str]) -> npt.NDArray[np.int64]:
    """Rows (P, 2) of each person and each near thing of a class in `objects`.

    Rows without a track (`tracker_id` missing or negative) belong to no pair.
    """
    names = detections.data.get("class_name", np.zeros(0, object))
    ids = detections.tracker_id
    tracked = np.zeros(len(names), bool) if ids is None else ids >= 0
    humans = np.flatnonzero(tracked & np.array([name == PERSON for name in names], bool))
    known = np.array([name != PERSON and name in objects for name in names], bool)
    things = np.flatnonzero(tracked & known)
    pairs = np.stack(np.meshgrid(humans, things, indexing="ij"), -1).reshape(-1, 2)
    if not len(pairs):
        return np.zeros((0, 2), np.int64)
    boxes = detections.xyxy.astype(np.float32)
    distance = gap(boxes[pairs[:, 0]], boxes[pairs[:, 1]])
    near = np.flatnonzero(distance <= _FAR)
    if len(near) > _MOST_PAIRS:
        near = np.sort(near[np.argsort(distance[near], kind="stable")[:_MOST_PAIRS]])
    return pairs[near].astype(np.int64)


def pair_features(human: Floats, thing: Floats, size: Floats) -> Floats:
    """Geometry (P, 16) of boxes (P, 4) xyxy in pixels, in units of the person's height.

    `size` is the picture's width and height, (2,) or one a pair (P, 2).

    Offset of the centres, logarithms of sizes and shapes, overlap over each area and over the
    union, offsets of both corners, and where and how large the person is in the picture.
    """
    human, thing = human.astype(np.float32), thing.astype(np.float32)
    human_size, thing_size = human[:, 2:] - human[:, :2], thing[:, 2:] - thing[:, :2]
    scale = human_size[:, 1:] + 1e-6  # (P, 1)
    human_centre, thing_centre = _centre(human), _centre(thing)
    low = np.maximum(human[:, :2], thing[:, :2])
    high = np.minimum(human[:, 2:], thing[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1, keepdims=True)
    human_area = human_size.prod(1, keepdims=True) + 1e-6
    thing_area = thing_size.prod(1, keepdims=True) + 1e-6
    columns = (
        (thing_centre - human_centre) / scale,
        np.log(thing_size / scale + 1e-3),
        np.log(human_size[:, :1] / scale + 1e-3),
        np.log(thing_size[:, :1] / (thing_size[:, 1:] + 1e-6) + 1e-3),
        shared / human_area,
        shared / thing_area,
        shared / (human_area + thing_area - shared),
        (thing[:, :2] - human[:, :2]) / scale,
        (thing[:, 2:] - human[:, 2:]) / scale,
        human_centre / size,
        np.log(scale / np.broadcast_to(size, human_centre.shape)[:, 1:] + 1e-6),
    )
    return np.concatenate(columns, 1).astype(np.float32)


def _centre(boxes: Floats) -> Floats:
    return (boxes[:, :2] + boxes[:, 2:]) / np.float32(2)


def gap(human: Floats, thing: Floats) -> Floats:
    """Distance between the boxes' edges in person heights, (P,); 0 where they touch."""
    apart = np.maximum(0, np.maximum(human[:, :2] - thing[:, 2:], thing[:, :2] - human[:, 2:]))
    distance: Floats = np.hypot(apart[:, 0], apart[:, 1])
    return distance / np.maximum(human[:, 3] - human[:, 1], 1)
