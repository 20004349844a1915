"""Examples of one step, side by side: what is done once for all pictures of a batch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from models.cmmp.instances import Instances, pair_indices, stack_instances
from models.cmmp.preprocess import normalise_pixels
from models.training.cmmp_examples import Example
from models.training.cmmp_losses import label_pairs


@dataclass(frozen=True)
class Batch:
    """B pictures that have pairs; boxes in the S-frame.

    N instances and P pairs of all: those of a picture stand behind those of the one before.
    """

    pixels: Tensor  # (B, 3, S, S) uint8
    instances: Instances
    pairing: Tensor  # (2, P) rows of the instances
    labels: Tensor  # (P, V)
    counts: tuple[int, ...]  # (B,) instances
    pairs: tuple[int, ...]  # (B,)
    unreadable: Mapping[str, str]  # reasons, by key; they are not among the B

    def to(self, device: torch.device) -> "Batch":
        return Batch(
            self.pixels.to(device),
            self.instances.to(device),
            self.pairing.to(device),
            self.labels.to(device),
            self.counts,
            self.pairs,
            self.unreadable,
        )

    @property
    def images(self) -> Tensor:
        """(B, 3, S, S) float32, as CLIP wants them."""
        return normalise_pixels(self.pixels)

    @property
    def each(self) -> list[Instances]:
        """Instances of each picture."""
        return self.instances.split(self.counts)


def join_examples(examples: Sequence[Example], verbs: int, unreadable: Mapping[str, str]) -> Batch:
    """Those without a pair are left out. `verbs`: the network's number of them, V."""
    useful = [one for one in examples if one.has_pairs]
    if not useful:
        none = Instances(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.long))
        pixels, pairing = torch.zeros(0, dtype=torch.uint8), torch.zeros(2, 0, dtype=torch.long)
        return Batch(pixels, none, pairing, torch.zeros(0, verbs), (), (), unreadable)
    found = [one.instances for one in useful]
    pairings = [pair_indices(each.humans, len(each)) for each in found]
    labels = [
        label_pairs(one.instances, pairing, one.truth, verbs)
        for one, pairing in zip(useful, pairings, strict=True)
    ]
    return Batch(
        torch.stack([one.image for one in useful]),
        *stack_instances(found, pairings),
        torch.cat(labels),
        tuple(len(each) for each in found),
        tuple(pairing.shape[1] for pairing in pairings),
        unreadable,
    )
