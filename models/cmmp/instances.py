"""Detections of one image, which of them count, and who is paired with what (spec 1.2 to 1.4).

Boxes are xyxy in the squashed S x S frame of the CLIP image and are never clipped to it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import torch
from torch import Tensor
from torchvision.ops import nms

HUMAN = 0  # COCO-80 label
NMS_IOU = 0.5
MIN_SCORE = 0.2
FEWEST = 3  # per group, topped up from below MIN_SCORE
MOST = 15


@dataclass(frozen=True)
class Instances:
    """N things of one image; for the network, humans stand first."""

    boxes: Tensor  # (N, 4) xyxy, S-frame
    scores: Tensor  # (N,) raw detector scores
    labels: Tensor  # (N,) COCO-80

    def __len__(self) -> int:
        return len(self.boxes)

    @property
    def humans(self) -> int:
        return int((self.labels == HUMAN).sum())

    def take(self, index: Tensor) -> "Instances":
        return Instances(self.boxes[index], self.scores[index], self.labels[index])

    def to(self, device: torch.device) -> "Instances":
        return Instances(self.boxes.to(device), self.scores.to(device), self.labels.to(device))

    def split(self, counts: Sequence[int]) -> list["Instances"]:
        """The first so many, the next so many, and so on."""
        fields = (self.boxes, self.scores, self.labels)
        parts = (torch.split(field, list(counts)) for field in fields)
        return [Instances(*one) for one in zip(*parts, strict=True)]


def read_detr(logits: Tensor, boxes: Tensor, side: int) -> Instances:
    """DETR's last logits (Q, 81) and cxcywh boxes (Q, 4) in [0, 1] -> Q instances (1.2)."""
    scores, labels = logits.softmax(-1)[:, :-1].max(-1)  # (Q,), (Q,)
    centre, size = boxes[:, :2], boxes[:, 2:]
    corners = torch.cat([centre - 0.5 * size, centre + 0.5 * size], dim=-1)  # (Q, 4)
    return Instances(corners * side, scores, labels)


def _suppress(found: Instances) -> Tensor:
    """Indices left by class-wise NMS, by falling score."""
    kept = [
        index[nms(found.boxes[index], found.scores[index], NMS_IOU)]
        for index in (
            torch.nonzero(found.labels == label)[:, 0] for label in torch.unique(found.labels)
        )
    ]
    survivors = torch.cat(kept) if kept else found.labels.new_zeros(0, dtype=torch.long)
    return survivors[found.scores[survivors].argsort(descending=True, stable=True)]


def choose_rows(found: Instances) -> Tensor:
    """Rows of 3 to 15 humans, then of 3 to 15 other things, each by falling score (1.3)."""
    survivors = _suppress(found)
    chosen = []
    for group in (found.labels[survivors] == HUMAN, found.labels[survivors] != HUMAN):
        rows = survivors[group]
        above = int((found.scores[rows] >= MIN_SCORE).sum())
        chosen.append(rows[: min(max(above, FEWEST), MOST)])
    return torch.cat(chosen)


def choose_instances(found: Instances) -> Instances:
    """Those of `choose_rows`, in their order."""
    return found.take(choose_rows(found))


def pair_indices(humans: int, count: int, device: torch.device | None = None) -> Tensor:
    """(2, P): every human with every other instance, row-major (1.4)."""
    human, other = torch.meshgrid(
        torch.arange(humans, device=device), torch.arange(count, device=device), indexing="ij"
    )
    return torch.stack([human[human != other], other[human != other]])


def join_instances(instances: Sequence[Instances]) -> Instances:
    """Those of several images below each other."""
    return Instances(
        torch.cat([each.boxes for each in instances]),
        torch.cat([each.scores for each in instances]),
        torch.cat([each.labels for each in instances]),
    )


def stack_instances(
    instances: Sequence[Instances], pairings: Sequence[Tensor]
) -> tuple[Instances, Tensor]:
    """Those of several images below each other, and their pairs (2, P) as rows of the whole."""
    starts = accumulate((len(each) for each in instances[:-1]), initial=0)
    shifted = [pairing + start for pairing, start in zip(pairings, starts, strict=True)]
    return join_instances(instances), torch.cat(shifted, 1)
