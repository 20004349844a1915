"""V-COCO's role average precision, scenarios 1 and 2.

Re-made from what the authors' `vsrl_eval.py` (s-gupta/v-coco, BSD) does and from Gupta and Malik,
"Visual Semantic Role Labeling" (2015), section 4. A detection belongs to the person of its image
whose box overlaps most; if nobody said what that person does, it is left out. It is right if the
person does the action, both the person's and the object's box have an IoU of at least 0.5 (boxes
include their last pixel), and no better-scored detection of the action belongs to that person.
Where the action is done with nothing that is annotated, scenario 1 wants a detection without an
object, scenario 2 takes any. AP is the area under the precision envelope.

The authors' program averages 25 roles. "point instr", which has too few examples, is dropped by
custom: 24 are left. A method that does not point has 0 there, so its 25-role mean is 24/25 of it.
Tables made with UPT's and CMMP's cache files differ a little: there, every pair also carries a tiny
box of score 0 for each action it was not scored for, and in scenario 2 these hit missing objects.
"""

from dataclasses import dataclass

import numpy as np

from models.datasets.examples import Floats, Ints
from models.datasets.vcoco import vcoco_vocabulary
from models.datasets.vcoco_roles import ROLES, RoleTruth
from models.errors import ModelError
from models.evaluation.precision import (
    Bools,
    Doubles,
    area_ap,
    best_partner,
    first_hits,
    join_ranges,
    paired_iou,
)
from models.evaluation.triplets import ScoredTriplets

_MATCH = 0.5  # IoU of this or more
_OFFICIAL_ROLES = 25


@dataclass(frozen=True)
class Scenario:
    """Role AP of each role that somebody fills, by our verb names, and its means."""

    aps: dict[str, float]
    mean: float  # of the 24
    mean_of_25: float  # with an AP of 0 for "point instr"


@dataclass(frozen=True)
class VcocoReport:
    """What `stream evaluate vcoco` prints."""

    scenario_1: Scenario
    scenario_2: Scenario
    images: int
    unscored: int  # images not looked at, also for want of pairs: what is done there is missed
    source: str  # of the truth: "authors", or "pairs", which know no person without an object


def evaluate_vcoco(truth: RoleTruth, found: ScoredTriplets) -> VcocoReport:
    """Score detections, which speak `vcoco_vocabulary`, against all images of `truth`."""
    row_of = {key: row for row, key in enumerate(truth.keys)}
    images = np.array([row_of.get(key, -1) for key in found.keys], np.int64)
    if not (images >= 0).any():
        raise ModelError("none of the detections' images is in the data set")
    person, overlap = _persons(truth, images[found.image], found)
    told = ~np.append(truth.ignored, True)[person]  # (P,) -1, nobody, is the last
    rows = np.flatnonzero(told[found.pair])
    pair, verb, scores = found.pair[rows], found.verb[rows], found.score[rows]
    whose = person[pair]
    wanted = truth.objects[whose, verb]  # (M, 4)
    absent = ~np.isfinite(wanted).all(1)
    near = paired_iou(wanted, found.objects[pair], pixel=1) >= _MATCH
    alone = ~np.isfinite(found.objects[pair]).all(1)
    right = truth.does[whose, verb] & (overlap[pair] >= _MATCH)
    reports = []
    for role_right in (np.where(absent, alone, near), absent | near):
        place = np.where(right & role_right, whose * len(ROLES) + verb, -1)
        reports.append(_scenario(truth, verb, scores, first_hits(place, scores)))
    return VcocoReport(
        reports[0],
        reports[1],
        len(truth.keys),
        len(truth.keys) - len(set(images[images >= 0].tolist())),
        truth.source,
    )


def _persons(truth: RoleTruth, images: Ints, found: ScoredTriplets) -> tuple[Ints, Doubles]:
    """(P,) the person each pair belongs to, -1 where the image has none, and their overlap."""
    person, overlap = np.full(len(images), -1, np.int64), np.zeros(len(images))
    first = np.searchsorted(truth.image, images, side="left")
    rows, partner = join_ranges(np.searchsorted(truth.image, images, side="right") - first)
    partner += first[rows]
    overlaps = paired_iou(truth.persons[partner], found.humans[rows], pixel=1)
    best = best_partner(rows, overlaps)
    person[rows[best]], overlap[rows[best]] = partner[best], overlaps[best]
    return person, overlap


def _scenario(truth: RoleTruth, verb: Ints, scores: Floats, hits: Bools) -> Scenario:
    aps = {}
    for column, name in enumerate(vcoco_vocabulary().verb_names):
        rows = np.flatnonzero(verb == column)
        ap = area_ap(scores[rows], hits[rows], int(truth.does[:, column].sum()))
        if not np.isnan(ap):
            aps[name] = ap
    total = sum(aps.values())
    return Scenario(
        aps, total / max(len(aps), 1), total / (len(aps) + _OFFICIAL_ROLES - len(ROLES))
    )
