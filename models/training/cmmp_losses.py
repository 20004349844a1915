"""What CMMP is trained on: labels of candidate pairs and the two losses (spec 2 and 3)."""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torchvision.ops import box_iou

from models.cmmp.instances import Instances
from models.cmmp.network import CMMP
from models.cmmp.prompts import embed_objects

LABEL_IOU = 0.5
ALPHA, GAMMA = 0.5, 0.2
_NOTHING = 1e9  # the divisor where a batch has no positive cell


@dataclass(frozen=True)
class PairTruth:
    """K annotated interactions of one image; boxes (K, 4) xyxy in the S-frame, verbs (K,)."""

    human_boxes: Tensor
    object_boxes: Tensor
    verbs: Tensor


def label_pairs(instances: Instances, pairing: Tensor, truth: PairTruth, verbs: int) -> Tensor:
    """(P, V) float: 1 where both boxes overlap those of an annotation by an IoU of 0.5.

    The object's class is not compared, the validity table does that; all that match count.
    """
    human, thing = (instances.boxes[rows] for rows in pairing)
    overlaps = torch.minimum(
        box_iou(human, truth.human_boxes), box_iou(thing, truth.object_boxes)
    )  # (P, K)
    labels = torch.zeros(len(human), verbs, device=overlaps.device)
    pair, annotation = torch.nonzero(overlaps >= LABEL_IOU, as_tuple=True)
    labels[pair, truth.verbs[annotation]] = 1
    return labels


def interaction_loss(
    logits: Tensor, prior: Tensor, labels: Tensor, positives: float | None = None
) -> Tensor:
    """Focal loss of `prior * sigmoid(logit)` over the cells with a prior; all three (P, V).

    `positives` divides; None: the positive cells given. Distributed training passes their mean.
    """
    cells = prior > 0
    x, p, y = logits[cells].float(), prior[cells], labels[cells]
    rest = (1 + torch.exp(-x) - p).clamp(min=1e-12)  # a sure detection and a large logit: 0
    z = torch.log(p / rest + 1e-8)  # sigmoid(z) = p * sigmoid(x)
    weight = (1 - y - ALPHA).abs() * ((y - z.sigmoid()).abs() + 1e-6) ** GAMMA
    loss = weight * functional.binary_cross_entropy_with_logits(z, y, reduction="none")
    count = float(y.sum()) if positives is None else positives
    total: Tensor = loss.sum() / (count or _NOTHING)
    return total


@torch.no_grad()
def reference_prototypes(model: CMMP) -> Tensor:
    """R (V, D): the sentences without context and full stop, of unit length, frozen."""
    return functional.normalize(embed_objects(model.clip, model.sentences.verbs), dim=-1)


def language_loss(prototypes: Tensor, references: Tensor) -> Tensor:
    """Learned prompts stay next to their own sentence: cross entropy of cosines, (V, D) both."""
    cosines = functional.normalize(prototypes, dim=-1) @ references.T  # (V, V)
    return functional.cross_entropy(cosines, torch.arange(len(cosines), device=cosines.device))
