"""What each part of CMMP is worth on the world: the same network with some of its parts silent.

A part that is missing is held still at a value that says nothing, so that every row of the table
is a `CMMP`, trained and scored by the same code.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP

from models.cmmp.network import CMMP
from models.datasets.world import HIDDEN
from models.device import choose_device
from models.evaluation.world_pairs import ScoredPairs
from models.training.boxes import Pairs
from models.training.cmmp_losses import reference_prototypes
from models.training.world_cmmp import (
    WHOLE,
    Parts,
    WorldPlan,
    fit_geometry,
    make_world_cmmp,
    silence,
)
from models.training.world_frames import read_truths

_ADAPTERS = ("encoder.adapters.", "priors.")
PLAIN = Parts("plain CLIP", silent=("human_scale", "object_scale"))
BOXES = Parts("boxes only", silent=("human_scale", "object_scale", "union_scale"), geometry=True)
LEARNED = (
    Parts("+ language prompt", still=_ADAPTERS),
    Parts("+ instance prior", silent=("priors.patterns",)),
    Parts("+ spatial patterns", silent=("priors.project.layers.0.weight",)),
    Parts("full CMMP"),
    WHOLE,
)


def chance(pairs: ScoredPairs, seed: int) -> ScoredPairs:
    """Scores by dice."""
    rng = np.random.default_rng(seed)
    dice = rng.standard_normal(pairs.logits.shape).astype(np.float32)
    return ScoredPairs(dice, pairs.labels, pairs.classes, pairs.clips)


def object_prior(pairs: ScoredPairs, seen: Pairs, seed: int) -> ScoredPairs:
    """How often a class is used so; among pairs with things of one class, dice decide."""
    counts = np.full((int(pairs.classes.max()) + 1, seen.labels.shape[1]), 1e-3, np.float32)
    np.add.at(counts, seen.classes, seen.labels)
    often = np.log(counts / np.bincount(seen.classes, minlength=len(counts)).clip(1)[:, None])
    dice = chance(pairs, seed).logits
    logits = often[pairs.classes] + 1e-3 * dice
    return ScoredPairs(logits, pairs.labels, pairs.classes, pairs.clips)


def plain_clip(clip: CLIP) -> CMMP:
    """The cosine of the union of both boxes and the verb's sentence; nothing is learned."""
    model = make_world_cmmp(clip, PLAIN)
    silence(model, PLAIN)
    model.encode_texts()
    with torch.no_grad():
        model.prototypes.copy_(reference_prototypes(model))
    return model.eval()


def boxes_only(clip: CLIP, pairs: Pairs, plan: WorldPlan) -> CMMP:
    """The term of boxes and the learned context, from `pairs` without what is hidden."""
    torch.manual_seed(plan.seed)
    model = make_world_cmmp(clip).to(choose_device())
    fit_geometry(model, pairs, plan)
    silence(model, BOXES)
    model.encode_texts()
    return model.eval()


def clips_with_enough(
    clips: Sequence[Path], hidden: frozenset[tuple[str, str]], *, first: int, least: int
) -> list[Path]:
    """The `first` clips, and of the others those that bring a hidden pair to `least` frames."""
    counts: Counter[tuple[str, str]] = Counter()
    chosen = []
    for number, path in enumerate(clips):
        shown = Counter(_done(path))
        wanted = any(shown[pair] and counts[pair] < least for pair in hidden)
        if number < first or wanted:
            chosen.append(path)
            counts += shown
    return chosen


def _done(path: Path) -> Iterator[tuple[str, str]]:
    """(verb, class) of every kept frame, once for each pair that can be seen."""
    for truth in read_truths(path):
        seen = {one.id: one.class_name for one in truth.instances if one.occlusion <= HIDDEN}
        for pair in truth.pairs:
            if pair.human in seen and pair.object in seen:
                yield from ((verb, seen[pair.object]) for verb in pair.verbs)
