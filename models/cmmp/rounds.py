"""Frames of one pass side by side, padded to the same numbers of instances and of pairs.

Nothing in it depends on what the frames show but its sizes, so a pass can be a CUDA graph.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from models.cmmp.instances import Instances
from models.cmmp.regions import BINS, MOST_TAPS


@dataclass(frozen=True)
class Size:
    """Of a round."""

    images: int  # B
    instances: int  # N of an image
    pairs: int  # P of an image
    taps: int  # samples in a bin of the widest box


@dataclass(frozen=True)
class Round:
    """B images with N instances and P pairs each; surplus ones are of no meaning."""

    size: Size
    instances: Instances  # B * N
    padding: Tensor  # (B, N) True = surplus; never all of an image
    pairing: Tensor  # (2, B * P) rows of the instances: human, object

    def to(self, device: torch.device) -> "Round":
        every = self.instances.to(device)
        return Round(self.size, every, self.padding.to(device), self.pairing.to(device))

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        every = self.instances
        return every.boxes, every.scores, every.labels, self.padding, self.pairing


def measure_round(
    instances: Sequence[Instances], pairings: Sequence[Tensor], grid: int, side: int
) -> Size:
    """The least size that holds images with these instances and pairs (2, P); the map is g x g."""
    boxes = torch.cat([each.boxes for each in instances])
    widest = float((boxes[:, 2:].amax(0) - boxes[:, :2].amin(0)).max())  # no union is wider
    taps = math.ceil(widest * grid / side / BINS)
    return Size(
        len(instances),
        max(len(each) for each in instances),
        max(pairing.shape[1] for pairing in pairings),
        min(max(taps, 1), MOST_TAPS),
    )


def pack_round(instances: Sequence[Instances], pairings: Sequence[Tensor], size: Size) -> Round:
    """What `size` has room for."""
    every = Instances(
        _stack([each.boxes for each in instances], size.images, size.instances).flatten(0, 1),
        _stack([each.scores for each in instances], size.images, size.instances).flatten(),
        _stack([each.labels for each in instances], size.images, size.instances).flatten(),
    )
    lengths = torch.tensor([len(each) for each in instances] + [1] * (size.images - len(instances)))
    padding = torch.arange(size.instances) >= lengths[:, None]
    pairs = _stack([pairing.T for pairing in pairings], size.images, size.pairs)  # (B, P, 2)
    starts = torch.arange(size.images)[:, None, None] * size.instances
    return Round(size, every, padding, (pairs + starts).flatten(0, 1).T.contiguous())


def pair_rows(pairings: Sequence[Tensor], size: Size) -> Tensor:
    """Where the pairs of all images are among the B * P of the round."""
    counts = [pairing.shape[1] for pairing in pairings]
    return torch.cat([torch.arange(n) + i * size.pairs for i, n in enumerate(counts)])


def _stack(rows: Sequence[Tensor], images: int, most: int) -> Tensor:
    """Rows (n, ...) of each image -> (images, most, ...), zeros where there are none."""
    padded = pad_sequence(list(rows), batch_first=True)
    out = padded.new_zeros(images, most, *padded.shape[2:])
    out[: padded.shape[0], : padded.shape[1]] = padded
    return out
