"""HICO-DET's mean average precision, default and known-object protocol.

A detection belongs to the annotated pair of its image and interaction with which min(IoU of the
humans, IoU of the objects) is largest. It is right if that is above 0.5 and no better-scored
detection belongs to the same pair; nothing else is tried. AP takes eleven recalls, the mean is over
all 600 interactions, and one without detections counts 0. Images without pairs are left out, as
in the Python evaluation of UPT and CMMP. With known objects, an interaction's detections count
only in images that have a pair with its object. (The authors' MATLAB code, ywchao/ho-rcnn, also
takes images whose label names the object without boxes, counts pixels inclusively, and
accepts an IoU of exactly 0.5; the published numbers of one-stage papers are made as here.)
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.datasets.examples import Floats, HOIDataset, Ints
from models.datasets.hico_facts import (
    DEFAULT,
    INTERACTIONS,
    interaction_pairs,
    interaction_table,
    rare_interactions,
    unseen_interactions,
)
from models.errors import ModelError
from models.evaluation.precision import (
    Bools,
    Doubles,
    best_partner,
    eleven_point_ap,
    first_hits,
    join_ranges,
    paired_iou,
)
from models.evaluation.triplets import ScoredTriplets

_MATCH = 0.5  # IoU above this


@dataclass(frozen=True)
class Means:
    """Mean AP over groups of interactions; the last three are None where nothing is unseen."""

    full: float
    rare: float
    non_rare: float
    unseen: float | None
    seen: float | None
    harmonic: float | None  # of unseen and seen


@dataclass(frozen=True, eq=False)
class HicoReport:
    """What `stream evaluate hicodet` prints."""

    default: Means
    known_object: Means
    default_aps: Doubles  # (600,)
    known_object_aps: Doubles  # (600,)
    images: int  # with pairs
    unscored: int  # of them, those that were not looked at: their pairs count as missed


def evaluate_hicodet(
    dataset: HOIDataset, found: ScoredTriplets, setting: str = DEFAULT
) -> HicoReport:
    """Score detections against all images of `dataset`; both speak HICO's vocabulary."""
    truth = _truth(dataset)
    row_of = {key: row for row, key in enumerate(dataset.keys)}
    rows = np.array([row_of.get(key, -1) for key in found.keys], np.int64)
    if not (rows >= 0).any():
        raise ModelError("none of the detections' images is in the data set")
    image = rows[found.image][found.pair]
    hoi = interaction_table()[found.object_classes[found.pair], found.verb]
    cells = np.flatnonzero((image >= 0) & (hoi >= 0))
    image, hoi, pair, scores = image[cells], hoi[cells], found.pair[cells], found.score[cells]
    hits = first_hits(_match(truth, image, hoi, found.humans[pair], found.objects[pair]), scores)
    things = interaction_pairs()[:, 1]
    present = np.zeros((len(dataset.keys), things.max() + 1), bool)
    present[truth.image, things[truth.hoi]] = True
    known = present[image, things[hoi]]
    positives = np.bincount(truth.hoi, minlength=INTERACTIONS)
    aps = [
        _aps(hoi[kept], scores[kept], hits[kept], positives)
        for kept in (slice(None), np.flatnonzero(known))
    ]
    return HicoReport(
        means(aps[0], setting),
        means(aps[1], setting),
        aps[0],
        aps[1],
        len(dataset.keys),
        len(dataset.keys) - len(set(rows[rows >= 0].tolist())),
    )


def means(aps: Doubles, setting: str) -> Means:
    """Groups of the 600 APs; the harmonic mean is 0 if both means are."""
    rare = np.zeros(INTERACTIONS, bool)
    rare[rare_interactions()] = True
    hidden = np.zeros(INTERACTIONS, bool)
    hidden[unseen_interactions(setting)] = True
    full, of_rare, common = (float(aps[group].mean()) for group in (..., rare, ~rare))
    if not hidden.any():
        return Means(full, of_rare, common, None, None, None)
    unseen, seen = float(aps[hidden].mean()), float(aps[~hidden].mean())
    harmonic = 2 * unseen * seen / (unseen + seen) if unseen + seen else 0.0
    return Means(full, of_rare, common, unseen, seen, harmonic)


@dataclass(frozen=True, eq=False)
class _Truth:
    """G annotated pairs, sorted by image and interaction."""

    image: Ints  # (G,) index in the data set
    hoi: Ints  # (G,)
    humans: Floats  # (G, 4)
    objects: Floats  # (G, 4)

    @property
    def place(self) -> Ints:
        """(G,) rising: one number for image and interaction."""
        return self.image * INTERACTIONS + self.hoi


def _truth(dataset: HOIDataset) -> _Truth:
    pairs = [dataset.pairs(index) for index in range(len(dataset.keys))]
    image = np.repeat(np.arange(len(pairs)), [len(one.verbs) for one in pairs])
    hoi = interaction_table()[
        np.concatenate([one.object_classes for one in pairs]),
        np.concatenate([one.verbs for one in pairs]),
    ]
    if (hoi < 0).any():
        key = dataset.keys[int(image[np.flatnonzero(hoi < 0)[0]])]
        raise ModelError(f"{key}: a pair is none of HICO-DET's 600 interactions")
    order = np.lexsort((hoi, image))
    return _Truth(
        image[order],
        hoi[order],
        np.concatenate([one.humans for one in pairs])[order],
        np.concatenate([one.objects for one in pairs])[order],
    )


def _match(truth: _Truth, image: Ints, hoi: Ints, humans: Floats, objects: Floats) -> Ints:
    """(M,): the annotated pair to which each detection belongs, -1 none."""
    matched = np.full(len(image), -1, np.int64)
    place = image * INTERACTIONS + hoi
    first = np.searchsorted(truth.place, place, side="left")
    rows, partner = join_ranges(np.searchsorted(truth.place, place, side="right") - first)
    partner += first[rows]
    overlaps = np.minimum(
        paired_iou(humans[rows], truth.humans[partner]),
        paired_iou(objects[rows], truth.objects[partner]),
    )
    best = best_partner(rows, overlaps)
    best = best[overlaps[best] > _MATCH]
    matched[rows[best]] = partner[best]
    return matched


def _aps(hoi: Ints, scores: Floats, hits: Bools, positives: npt.NDArray[np.int64]) -> Doubles:
    order = np.argsort(hoi.astype(np.int16), kind="stable")
    ends = np.searchsorted(hoi[order], np.arange(INTERACTIONS + 1))
    aps = np.zeros(INTERACTIONS)
    for number in range(INTERACTIONS):
        rows = order[ends[number] : ends[number + 1]]
        aps[number] = eleven_point_ap(scores[rows], hits[rows], int(positives[number]))
    return aps
