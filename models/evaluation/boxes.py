"""How well boxes and classes alone tell the action: mean AP over annotated V-COCO test pairs.

Average precision per action over all pairs of annotated persons and things, mean of the 24
actions. A score means little alone, so the controls stand beside it: chance, how often the action
is done with that class (object prior), and the network with geometry or class taken away.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from models.box_scorer import BoxScorer
from models.bundle import Bundle
from models.datasets.vcoco import read_vcoco
from models.training.boxes import Pairs, fit, vcoco_pairs, with_strangers
from models.vocabulary import Vocabulary

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class BoxReport:
    """What `stream evaluate boxes` prints."""

    pairs: int
    per_action: dict[str, float]  # AP of the bundle
    mean: float
    controls: dict[str, float]  # mean AP of each control
    false_alarms: float  # share of strangers' (pair, action) cells with probability above one half


def evaluate_boxes(bundle: Bundle, data: Path, *, seed: int = 0) -> BoxReport:
    """AP of a bundle's box scorer on V-COCO's test annotations in `data`, with its controls."""
    vocabulary = bundle.vocabulary
    train, test = (vcoco_pairs(read_vcoco(data, part)) for part in ("trainval", "test"))
    network = BoxScorer.load(bundle.path(bundle.manifest.scorer.file))
    aps = _per_action(_logits(network, test), test.labels)
    rng = np.random.default_rng(seed)
    controls = {
        "chance": _per_action(rng.random(test.labels.shape).astype(np.float32), test.labels),
        "object prior": _per_action(
            _object_prior(train, test, len(vocabulary.objects)), test.labels
        ),
        "class only": _per_action(_control(train, test, vocabulary, "class", seed), test.labels),
        "geometry only": _per_action(
            _control(train, test, vocabulary, "geometry", seed), test.labels
        ),
    }
    strangers = with_strangers(test, rng).take(np.arange(len(test), 2 * len(test)))
    verbs = [bundle.manifest.calibration[name] for name in vocabulary.verb_names]
    scale = np.array([verb.scale for verb in verbs], np.float32)
    bias = np.array([verb.bias for verb in verbs], np.float32)
    alarms = scale * _logits(network, strangers) + bias > 0
    return BoxReport(
        len(test),
        dict(zip(vocabulary.verb_names, aps.tolist(), strict=True)),
        float(aps.mean()),
        {name: float(values.mean()) for name, values in controls.items()},
        float(alarms[vocabulary.validity[strangers.classes]].mean()),
    )


def average_precision(scores: Floats, truth: Floats) -> float:
    """Mean precision at every true one, pairs sorted by falling score; 0 if nothing is true."""
    ordered = truth[np.argsort(-scores, kind="stable")]
    precision = np.cumsum(ordered) / np.arange(1, len(ordered) + 1)
    return float((precision * ordered).sum() / max(ordered.sum(), 1))


def _per_action(scores: Floats, truth: Floats) -> Floats:
    columns = range(truth.shape[1])
    return np.array([average_precision(scores[:, v], truth[:, v]) for v in columns], np.float32)


def _logits(network: BoxScorer, pairs: Pairs) -> Floats:
    with torch.inference_mode():
        logits: Floats = network(
            torch.from_numpy(pairs.features()), torch.from_numpy(pairs.classes)
        ).numpy()
    return logits


def _object_prior(train: Pairs, test: Pairs, classes: int) -> Floats:
    """How often each action was done with each class in training, (N, V)."""
    prior = np.zeros((classes, train.labels.shape[1]), np.float32)
    for index in range(classes):
        rows = train.classes == index
        prior[index] = train.labels[rows].mean(0) if rows.any() else 0
    return prior[test.classes]


def _control(train: Pairs, test: Pairs, vocabulary: Vocabulary, kept: str, seed: int) -> Floats:
    """The same network, trained and tested with one of its two inputs made constant."""
    seen = [_without(pairs, kept) for pairs in (train, test)]
    return _logits(fit(seen[0], vocabulary, seed=seed, epochs=40, noisy=False), seen[1])


def _without(pairs: Pairs, kept: str) -> Pairs:
    if kept == "geometry":
        return Pairs(
            pairs.human, pairs.thing, pairs.size, np.zeros_like(pairs.classes), pairs.labels
        )
    box = np.array([[0, 0, 50, 100]], np.float32)
    return Pairs(
        np.repeat(box, len(pairs), 0),
        np.repeat(box, len(pairs), 0),
        np.full_like(pairs.size, 100),
        pairs.classes,
        pairs.labels,
    )
