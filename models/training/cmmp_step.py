"""One step's losses: towers in the device's number format if wanted, all else in float32."""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from models.cmmp.instances import Instances
from models.cmmp.network import CMMP, Regions
from models.cmmp.regions import region_bins, union_boxes
from models.device import choose_training_dtype
from models.training.cmmp_batches import Batch
from models.training.cmmp_losses import (
    interaction_loss,
    language_loss,
    reference_prototypes,
)
from models.training.ranks import Ranks


def training_prior(model: CMMP, instances: Instances, pairing: Tensor, seen: Tensor) -> Tensor:
    """(P, V): product of both scores where the verb is valid and seen; no other cell is learned,
    neither as a yes nor as a no (spec 3)."""
    labels = instances.labels[pairing[1]]
    return model.prior(instances, pairing, 1.0) * seen[labels]


def pool_dropping(model: CMMP, feature_maps: Tensor, batch: Batch) -> Regions:
    """Feature maps (B, D, g, g) -> what `CMMP.pool` gives for each picture, under dropout."""
    boxes, rows = batch.instances.boxes, batch.pairing
    unions = union_boxes(boxes[rows[0]], boxes[rows[1]])
    means = []
    for regions, counts in ((boxes, batch.counts), (unions, batch.pairs)):
        bins = region_bins(
            feature_maps, torch.split(regions, list(counts)), model.config.image_size
        )
        means.append(model.region_dropout(bins).mean((2, 3)))
    return Regions(batch.instances, rows, unions, *means)


class Losses:
    """Of a network on batches of examples. `seen`: (classes, V) bool, what may be learned."""

    def __init__(self, model: CMMP, seen: Tensor, ranks: Ranks, *, mixed: bool) -> None:
        self._model, self._ranks = model, ranks
        self._device = model.human_weight.device
        self._seen = seen.to(self._device)
        model.encode_texts()
        self.references = reference_prototypes(model)  # (V, D)
        dtype = choose_training_dtype(self._device)
        self.dtype = dtype if mixed else torch.float32

    def __call__(self, batch: Batch) -> tuple[Tensor, Tensor, float]:
        """Interaction loss, language loss, positive cells; the first over all ranks' positives.

        The mean of all ranks' gradients is that of one process with the whole batch.
        """
        prototypes, language = self._texts()
        logits, priors, labels = self._cells(batch.to(self._device), prototypes)
        positives = ((priors > 0) * labels).sum()
        mean = self._ranks.mean(positives)
        return interaction_loss(logits, priors, labels, mean.item()), language, positives.item()

    def _texts(self) -> tuple[Tensor, Tensor]:
        """Prototypes (V, D) and their loss; V-COCO's free ones hear no sentence."""
        model = self._model
        if model.config.free_prototypes:
            return model.prototypes, model.prototypes.new_zeros(())
        with self._half():
            prototypes = model.encode_prompts(model.sentences.verbs)
        prototypes = prototypes.float()
        return prototypes, language_loss(prototypes, self.references)

    def _cells(self, batch: Batch, prototypes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, priors and labels (P, V) of all pairs of the batch."""
        model, instances, pairing = self._model, batch.instances, batch.pairing
        prior = training_prior(model, instances, pairing, self._seen)
        if not batch.counts:
            return batch.labels, prior, batch.labels
        with self._half():
            maps = model.feature_maps(batch.images, batch.each)
        vectors = model.pair_vectors(pool_dropping(model, maps.float(), batch))
        return vectors @ prototypes.T, prior, batch.labels

    def _half(self) -> AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, self.dtype)
