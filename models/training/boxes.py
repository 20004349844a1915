"""Training of the box scorer: on V-COCO annotations, or on pairs of any origin.

Annotated boxes are cleaner than a detector's, so training pairs are jittered, cut, moved and
mixed: what a detector does to boxes must not look like an interaction, nor hide one.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.box_scorer import BoxScorer, BoxScorerConfig
from models.bundle import BoxesSection, Calibration, DetectorSection, Manifest, write_manifest
from models.datasets.vcoco import ACTIONS, VcocoImage, read_vcoco, vcoco_vocabulary
from models.pairs import pair_features
from models.training.platt import FEWEST, platt
from models.vocabulary import Vocabulary

Floats = npt.NDArray[np.float32]

SCORER_FILE = "scorer.safetensors"
SETTINGS = Path(__file__).parent / "settings"  # hand-set parts of the bundles, by name

_HELD_OUT = 0.15  # of the training images: for calibration
_STRANGERS = 1  # things of other images put beside a person, for every annotated pair of boxes
_JITTER = 0.06  # standard deviation of a box side's error, in box sizes


@dataclass(frozen=True, eq=False)
class Pairs:
    """N pairs of boxes and what is done."""

    human: Floats  # (N, 4) xyxy pixels
    thing: Floats  # (N, 4)
    size: Floats  # (N, 2) width and height of the picture
    classes: npt.NDArray[np.int64]  # (N,) of the thing
    labels: Floats  # (N, V) 0 or 1

    def __len__(self) -> int:
        return len(self.classes)

    def take(self, rows: npt.NDArray[np.int64]) -> "Pairs":
        return Pairs(
            self.human[rows],
            self.thing[rows],
            self.size[rows],
            self.classes[rows],
            self.labels[rows],
        )

    def features(self) -> Floats:
        return pair_features(self.human, self.thing, self.size)


def train_boxes(data: Path, out: Path, *, seed: int = 0) -> Manifest:
    """Train on V-COCO's trainval annotations in `data`; write the bundle's folder `out`."""
    annotations = [image for image in read_vcoco(data, "trainval") if image.actions]
    vocabulary = vcoco_vocabulary()
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(annotations))
    held_out = int(_HELD_OUT * len(annotations))
    known = vcoco_pairs([annotations[i] for i in order[held_out:]])
    unknown = vcoco_pairs([annotations[i] for i in order[:held_out]])
    network = fit(known, vocabulary, seed=seed)
    calibration = calibrate(network, with_strangers(unknown, rng), vocabulary)
    out.mkdir(parents=True, exist_ok=True)
    network.save(out / SCORER_FILE)
    manifest = Manifest(
        name="boxes",
        version="1",
        description="24 actions from classes and boxes alone, behind any COCO detector",
        footage="real",
        detector=DetectorSection(),
        scorer=BoxesSection(kind="boxes", file=SCORER_FILE),
        vocabulary=vocabulary.to_dict(),
        calibration=calibration,
        licences={
            "scorer": "Apache-2.0; trained on V-COCO (MIT, s-gupta/v-coco) over COCO annotations "
            "(CC BY 4.0), in the form of fredzzhang/vcoco (MIT)"
        },
        **read_settings("boxes"),
    )
    write_manifest(out, manifest)
    return manifest


def read_settings(name: str) -> dict[str, Any]:
    """The hand-set part of a bundle: tracking, smoothing and events."""
    settings: dict[str, Any] = json.loads((SETTINGS / f"{name}.json").read_text())
    return settings


def vcoco_pairs(annotations: Sequence[VcocoImage]) -> Pairs:
    """Every annotated person with every annotated thing of their image; unnamed: no action.

    The annotations carry no picture size; the far corner of the boxes stands in for it.
    """
    human, thing, size, classes, labels = [], [], [], [], []
    for image in annotations:
        if not image.actions:
            continue
        people, person_of = _distinct(image.boxes_h)
        things, thing_of = _distinct(image.boxes_o)
        corner = np.maximum(people[:, 2:].max(0), things[:, 2:].max(0))
        class_of = dict(zip(thing_of, image.objects, strict=True))
        done: dict[tuple[int, int], set[int]] = {}
        for h, t, action in zip(person_of, thing_of, image.actions, strict=True):
            done.setdefault((h, t), set()).add(action)
        for h, person in enumerate(people):
            for t, box in enumerate(things):
                if np.abs(person - box).max() < 1 or class_of[t] == 0:
                    continue  # an action without a thing
                human.append(person)
                thing.append(box)
                size.append(corner)
                classes.append(class_of[t] - 1)
                labels.append([float(v in done.get((h, t), ())) for v in range(len(ACTIONS))])
    return Pairs(
        np.array(human, np.float32),
        np.array(thing, np.float32),
        np.array(size, np.float32),
        np.array(classes, np.int64),
        np.array(labels, np.float32),
    )


def with_strangers(pairs: Pairs, rng: np.random.Generator) -> Pairs:
    """The pairs, and persons beside things of other images: near, but nothing is done."""
    count = _STRANGERS * len(pairs)
    a, b = rng.integers(len(pairs), size=(2, count))
    human, size = pairs.human[a], pairs.size[a]
    spread = 0.7 * (human[:, 2:] - human[:, :2])  # around the person, most of them overlapping
    centre = (human[:, :2] + human[:, 2:]) / 2 + rng.normal(size=(count, 2)) * spread
    half = (pairs.thing[b, 2:] - pairs.thing[b, :2]) / 2
    half *= (human[:, 3:] - human[:, 1:2]) / (pairs.human[b, 3:] - pairs.human[b, 1:2])
    half *= rng.uniform(0.5, 1.6, (count, 1))
    strangers = Pairs(
        human,
        np.concatenate([centre - half, centre + half], 1).astype(np.float32),
        size,
        pairs.classes[b],
        np.zeros((count, pairs.labels.shape[1]), np.float32),
    )
    return join(pairs, strangers)


def like_detected(pairs: Pairs, rng: np.random.Generator) -> Pairs:
    """Boxes with a detector's errors; a fifth of the persons is seen in part only."""
    return Pairs(
        _cut(_jitter(pairs.human, rng), rng, share=0.2),
        _jitter(pairs.thing, rng),
        pairs.size,
        pairs.classes,
        pairs.labels,
    )


def join(*parts: Pairs) -> Pairs:
    return Pairs(
        *(
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("human", "thing", "size", "classes", "labels")
        )
    )


def fit(
    pairs: Pairs,
    vocabulary: Vocabulary,
    *,
    seed: int,
    epochs: int = 30,
    batch: int = 512,
    noisy: bool = True,
) -> BoxScorer:
    """Binary cross-entropy over all verbs; strangers and detector errors are drawn every epoch."""
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    network = BoxScorer(BoxScorerConfig(len(vocabulary.objects), len(vocabulary.verbs)))
    clean = torch.from_numpy(with_strangers(pairs, rng).features())
    network.get_buffer("mean").copy_(clean.mean(0))
    network.get_buffer("std").copy_(clean.std(0) + 1e-6)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, epochs)
    for _ in range(epochs):
        shown = join(pairs, like_detected(with_strangers(pairs, rng), rng)) if noisy else pairs
        x, classes, y = _tensors(shown)
        for rows in torch.split(torch.randperm(len(shown)), batch):
            logits = network(x[rows], classes[rows], noise=0.05)
            loss = nn.functional.binary_cross_entropy_with_logits(logits, y[rows])
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        schedule.step()
    return network.eval()


def calibrate(network: BoxScorer, pairs: Pairs, vocabulary: Vocabulary) -> dict[str, Calibration]:
    """Platt scaling per verb on pairs that were not trained on; too few positives: left alone."""
    x, classes, y = _tensors(pairs)
    with torch.inference_mode():
        logits = network(x, classes)
    calibration = {}
    for v, name in enumerate(vocabulary.verb_names):
        enough = y[:, v].sum() >= FEWEST
        calibration[name] = platt(logits[:, v].clone(), y[:, v]) if enough else Calibration()
    return calibration


def _tensors(pairs: Pairs) -> tuple[Tensor, Tensor, Tensor]:
    return (
        torch.from_numpy(pairs.features()),
        torch.from_numpy(pairs.classes),
        torch.from_numpy(pairs.labels),
    )


def _jitter(boxes: Floats, rng: np.random.Generator) -> Floats:
    size = np.concatenate([boxes[:, 2:] - boxes[:, :2]] * 2, 1)
    moved = boxes + rng.normal(scale=_JITTER, size=boxes.shape) * size
    return np.concatenate([np.minimum(moved[:, :2], moved[:, 2:] - 1), moved[:, 2:]], 1).astype(
        np.float32
    )


def _cut(boxes: Floats, rng: np.random.Generator, *, share: float) -> Floats:
    """Some boxes lose part of one side, as of a person at the edge or behind a table."""
    cut = boxes.copy()
    rows = np.flatnonzero(rng.random(len(boxes)) < share)
    side = rng.integers(4, size=len(rows))
    size = boxes[rows, 2 + side % 2] - boxes[rows, side % 2]
    kept = rng.uniform(0.4, 0.9, len(rows))
    toward = np.where(side < 2, 1, -1)
    cut[rows, side] += (toward * (1 - kept) * size).astype(np.float32)
    return cut


def _distinct(boxes: Sequence[Sequence[float]]) -> tuple[Floats, list[int]]:
    """Boxes (K, 4) that differ by a pixel or more, and which of them each box is."""
    kept: list[Floats] = []
    index = []
    for box in np.array(boxes, np.float32):
        same = [k for k, other in enumerate(kept) if np.abs(other - box).max() < 1]
        index.append(same[0] if same else len(kept))
        if not same:
            kept.append(box)
    return np.array(kept), index
