"""Which (human, object) pairs of a frame are worth scoring, and what their boxes tell."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import supervision as sv
import torch

from models.geometry import pair_geometry

PERSON = "person"

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
    """`models.geometry.pair_geometry` of arrays: (P, 16) float32."""
    tensors = [torch.from_numpy(np.asarray(each, np.float32)) for each in (human, thing, size)]
    features: Floats = pair_geometry(*tensors).numpy()
    return features


def gap(human: Floats, thing: Floats) -> Floats:
    """Distance between the boxes' edges in person heights, (P,); 0 where they touch."""
    apart = np.maximum(0, np.maximum(human[:, :2] - thing[:, 2:], thing[:, :2] - human[:, 2:]))
    height = np.maximum(human[:, 3] - human[:, 1], 1)
    distance: Floats = np.hypot(apart[:, 0], apart[:, 1]) / height
    return distance
