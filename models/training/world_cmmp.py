"""CMMP on the world's CLIP, with the term of boxes; held-out pairs are never learned."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP
from torch import nn

from models.bundle import Calibration
from models.cmmp.network import CMMP
from models.cmmp.preprocess import MEAN, STD
from models.cmmp.weights import vocabulary_sentences
from models.cmmp_scorer import CMMPScorer
from models.datasets.examples import Ints
from models.datasets.images import SkippedImages
from models.datasets.world import SETTINGS, WorldFrames, world_vocabulary
from models.device import choose_device
from models.evaluation.world_pairs import score_world
from models.geometry import pair_geometry
from models.training.boxes import Pairs, like_detected
from models.training.cmmp import Plan, StepReport, train_cmmp
from models.training.cmmp_candidates import world_candidates
from models.training.cmmp_examples import CMMPExamples, Names
from models.training.cmmp_losses import interaction_loss, language_loss, reference_prototypes
from models.training.cmmp_patterns import spatial_patterns
from models.training.platt import FEWEST, platt
from models.training.world_clip import world_config
from models.training.world_clip_batches import rarity
from models.world.truth import UNSEEN

EPOCHS = 3  # each frame of the budget is seen so often
_BOX_BATCH, _BOX_RATE = 1024, 2e-3
_SURE = 0.3, 0.95  # product of the scores of both boxes, as of a detector
_GEOMETRY = 192  # hidden width of the term of boxes


@dataclass(frozen=True)
class Parts:
    """What a network is made of. `still` and `silent` are starts of names of weights: those that
    are not learned, and those that are nought and not learned."""

    name: str
    still: tuple[str, ...] = ()
    silent: tuple[str, ...] = ()
    geometry: bool = False  # has the term of boxes


WHOLE = Parts("full CMMP + box term", geometry=True)


@dataclass(frozen=True)
class WorldPlan:
    """A training. `setting`: what is hidden from it (`SETTINGS` of models.datasets.world)."""

    images: int
    boxes: int = 2_000  # steps of the term of boxes, which sees no picture
    batch: int = 16
    seed: int = 0
    setting: str = "unseen_pairs"
    parts: Parts = WHOLE


def make_world_cmmp(clip: CLIP, parts: Parts = WHOLE) -> CMMP:
    """Untrained, on towers that are trained."""
    vocabulary = world_vocabulary()
    geometry = _GEOMETRY if parts.geometry else 0
    config = replace(world_config(), verbs=len(vocabulary.verbs), geometry=geometry)
    model = CMMP(config, vocabulary_sentences(vocabulary))
    model.clip.load_state_dict(clip.state_dict())
    with torch.no_grad():
        for name, weight in model.encoder.named_parameters():
            if name.endswith(".scale"):  # of an adapter; its `up_proj` begins as nought
                weight.fill_(1)  # with the paper's 1e-9 it is not heard in a training so short
    return model


def train_world_cmmp(
    clip: CLIP,
    clips: Sequence[Path],
    pairs: Pairs,
    checkpoint: Path,
    plan: WorldPlan,
    *,
    on_step: Callable[[StepReport], None] = lambda _: None,
) -> CMMP:
    """First the term of boxes, on `pairs` without a picture, then all of it on frames.

    Frames with rare verbs are drawn more often. Goes on from `checkpoint` if there is one.
    """
    torch.manual_seed(plan.seed)
    model = make_world_cmmp(clip, plan.parts).to(choose_device())
    dataset = WorldFrames(clips, plan.setting)
    rows = draw_rare(dataset, plan.images // EPOCHS, np.random.default_rng(plan.seed))
    names = Names.between(dataset.vocabulary, world_vocabulary())
    side = model.config.image_size
    examples = CMMPExamples(dataset, world_candidates(dataset), names, side, rows)
    if not checkpoint.exists():
        skipped, count = SkippedImages(), model.config.patterns
        patterns = spatial_patterns(dataset, rows.tolist(), count, skipped, seed=plan.seed)
        with torch.no_grad():
            model.priors.patterns.copy_(patterns)
        if plan.parts.geometry:
            fit_geometry(model, pairs, plan)
        silence(model, plan.parts)
    steps = Plan(
        epochs=EPOCHS,
        batch=plan.batch,
        seed=plan.seed,
        drop_every=EPOCHS - 1,
        still=plan.parts.still + plan.parts.silent,
    )
    return train_cmmp(model, examples, checkpoint, steps, on_step=on_step)


@torch.no_grad()
def silence(model: CMMP, parts: Parts) -> None:
    """Make nought what `parts` lack."""
    for name, weight in model.named_parameters():
        if name.startswith(parts.silent):
            weight.zero_()


def fit_geometry(model: CMMP, pairs: Pairs, plan: WorldPlan) -> None:
    """Train the term of boxes and the learned context so that g . T alone names the verbs.

    Nothing is seen but boxes: seconds.
    """
    assert model.geometry is not None
    steps, vocabulary = plan.boxes, world_vocabulary(SETTINGS[plan.setting])
    device = model.human_weight.device
    seen = vocabulary_sentences(vocabulary).validity().to(device)  # (classes, V)
    side = model.config.image_size
    rng = np.random.default_rng(plan.seed)
    scale = side / np.tile(pairs.size, 2)  # (N, 4), to the S-frame
    model.geometry.fit(
        pair_geometry(
            torch.from_numpy((pairs.human * scale).astype(np.float32)),
            torch.from_numpy((pairs.thing * scale).astype(np.float32)),
            torch.full((2,), float(side)),
        )
    )
    model.encode_texts()
    references = reference_prototypes(model)
    learned = [*model.geometry.parameters(), *model.prompts.parameters()]
    optimiser = torch.optim.AdamW(learned, _BOX_RATE, weight_decay=1e-2)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    for _ in range(steps):
        some = like_detected(pairs.take(rng.integers(len(pairs), size=_BOX_BATCH)), rng)
        human, thing = (
            torch.from_numpy((boxes * side / np.tile(some.size, 2)).astype(np.float32)).to(device)
            for boxes in (some.human, some.thing)
        )
        labels = torch.from_numpy(some.classes).to(device) + 1  # the person's class is the first
        prototypes = model.encode_prompts(model.sentences.verbs)
        logits = model.geometry(human, thing, model.embeddings[labels], side) @ prototypes.T
        sure = torch.from_numpy(rng.uniform(*_SURE, (len(some), 1))).float().to(device)
        prior = (model.validity & seen)[labels] * sure
        loss = interaction_loss(logits, prior, torch.from_numpy(some.labels).to(device))
        optimiser.zero_grad()
        torch.autograd.backward(loss + language_loss(prototypes, references))
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimiser.step()
        schedule.step()


def calibrate_world(model: CMMP, clips: Sequence[Path]) -> Mapping[str, Calibration]:
    """Platt scaling over all near pairs of clips that were not trained on.

    A verb with few positives gets the scaling of all verbs together.
    """
    vocabulary = world_vocabulary()
    found = score_world(clips, CMMPScorer(model, vocabulary, {}, MEAN, STD))
    allowed = vocabulary.validity[found.classes]
    for v, name in enumerate(vocabulary.verb_names):
        held_out = [(name, thing) in UNSEEN for thing in vocabulary.objects]
        allowed[:, v] &= ~np.array(held_out)[found.classes]
    logits = torch.from_numpy(found.logits)
    labels = torch.from_numpy(found.labels.astype(np.float32))
    cells = torch.from_numpy(allowed)
    everything = platt(logits[cells], labels[cells])
    calibration = {}
    for v, name in enumerate(vocabulary.verb_names):
        rows = cells[:, v]
        enough = labels[rows, v].sum() >= FEWEST
        calibration[name] = platt(logits[rows, v], labels[rows, v]) if enough else everything
    return calibration


def draw_rare(dataset: WorldFrames, count: int, rng: np.random.Generator) -> Ints:
    """Rows (count,) of frames, those with rare verbs the more often."""
    verbs = len(dataset.vocabulary.verbs)
    shown = np.array(
        [
            np.bincount(dataset.pairs(row).verbs, minlength=verbs) > 0
            for row in range(len(dataset.keys))
        ]
    )
    drawn = rng.choice(len(shown), count, replace=count > len(shown), p=rarity(shown))
    return np.asarray(drawn, np.int64)
