"""One step's losses: towers in the device's number format if wanted, all else in float32."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

from models.cmmp.instances import Instances
from models.cmmp.network import CMMP
from models.device import choose_training_dtype
from models.training.cmmp_examples import Example
from models.training.cmmp_losses import (
    interaction_loss,
    label_pairs,
    language_loss,
    reference_prototypes,
)
from models.training.ranks import Ranks


def training_prior(model: CMMP, instances: Instances, pairing: Tensor, seen: Tensor) -> Tensor:
    """(P, V): product of both scores where the verb is valid and seen; no other cell is learned,
    neither as a yes nor as a no (spec 3)."""
    labels = instances.labels[pairing[1]]
    return model.prior(instances, pairing, 1.0) * seen[labels]


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

    def __call__(self, batch: Sequence[Example]) -> tuple[Tensor, Tensor, float]:
        """Interaction loss, language loss, positive cells; the first over all ranks' positives.

        The mean of all ranks' gradients is that of one process with the whole batch.
        """
        prototypes, language = self._texts()
        cells = self._cells([one.to(self._device) for one in batch if one.has_pairs], prototypes)
        logits, priors, labels = cells
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

    def _cells(self, batch: Sequence[Example], prototypes: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Logits, priors and labels (P, V) of all pairs of the batch."""
        model, verbs = self._model, len(prototypes)
        empty = prototypes.new_zeros(0, verbs)
        logits, priors, labels = [empty], [empty], [empty]
        if batch:
            images = torch.stack([one.image for one in batch])
            with self._half():
                maps = model.feature_maps(images, [one.instances for one in batch])
            for feature_map, one in zip(maps.float(), batch, strict=True):
                regions = model.pool(feature_map, one.instances)
                logits.append(model.pair_vectors(regions) @ prototypes.T)
                priors.append(training_prior(model, one.instances, regions.pairing, self._seen))
                labels.append(label_pairs(one.instances, regions.pairing, one.truth, verbs))
        return torch.cat(logits), torch.cat(priors), torch.cat(labels)

    def _half(self) -> AbstractContextManager[object]:
        if self.dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, self.dtype)
