"""Per-verb calibration of a trained CMMP on pictures that it was not trained on."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from models.bundle import Calibration
from models.cmmp.network import CMMP
from models.datasets.examples import HOIDataset, Ints
from models.errors import ModelError
from models.training.cmmp_batches import Batch, join_examples
from models.training.cmmp_examples import CMMPExamples
from models.training.cmmp_step import training_prior
from models.training.loading import load_ahead
from models.training.platt import FEWEST, platt
from models.vocabulary import Vocabulary

_SHARE = 0.05  # of the pictures, or a clip more, are kept from training
_MOST = 500  # pictures


def hold_out(dataset: HOIDataset, seed: int) -> tuple[Ints, Ints]:
    """Rows to train on, and rows for calibration; frames of one clip stay together."""
    groups = np.array([key.rpartition(":")[0] or key for key in dataset.keys])
    names, of, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.random.default_rng([seed, len(groups)]).permutation(len(names))
    before = np.cumsum(counts[order]) - counts[order]
    taken = order[before < min(int(_SHARE * len(groups)), _MOST)]
    mask = np.isin(of, taken)
    return np.flatnonzero(~mask), np.flatnonzero(mask)


@torch.inference_mode()
def calibrate_cmmp(
    model: CMMP, examples: CMMPExamples, vocabulary: Vocabulary
) -> dict[str, Calibration]:
    """Of each verb with enough positives; the others share the scale of all cells together.

    The latter is what verbs get that no picture showed. Nothing at all if data are too few.
    """
    cells = list(_cells(model, examples))
    if not cells:
        return {}
    logits, labels, allowed = (torch.cat(parts).cpu() for parts in zip(*cells, strict=True))
    everything = _fit(logits[allowed], labels[allowed])
    found = {}
    for v, name in enumerate(vocabulary.verb_names):
        rows = allowed[:, v]
        own = _fit(logits[rows, v], labels[rows, v]) or everything
        if own is not None:
            found[name] = own
    return found


def _fit(logits: Tensor, labels: Tensor) -> Calibration | None:
    positives = int(labels.sum())
    if min(positives, len(labels) - positives) < FEWEST:
        return None
    with torch.inference_mode(False), torch.enable_grad():
        return platt(logits.clone(), labels.clone())


def _cells(model: CMMP, examples: CMMPExamples) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Logits, labels and which cells are meant, (P, V) each, a picture at a time."""
    device = model.human_weight.device
    seen = examples.seen(*model.validity.shape).to(device)

    def read(row: int) -> Batch:
        try:
            one = examples.example(row, np.random.default_rng(row), plain=True)
        except ModelError as error:
            return join_examples([], len(model.prototypes), {examples.key(row): str(error)})
        return join_examples([one], len(model.prototypes), {})

    for batch in load_ahead(read, range(len(examples))):
        for key, reason in batch.unreadable.items():
            examples.skipped.add(key, reason)
        if batch.counts:
            one = batch.to(device)
            (pairs,) = model(one.images, one.each)
            prior = training_prior(model, one.instances, one.pairing, seen)
            yield pairs.logits, one.labels, prior > 0
