"""The zero-shot claim, tested on the world: a row for each part of CMMP, over several seeds.

What was trained and scored once is kept in the work folder: the same table goes on after a stop.
Another CLIP, other clips or another plan begin one of their own.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from open_clip.model import CLIP

from models.bundle import CMMPSection, load_bundle
from models.cmmp.network import CMMP
from models.cmmp.preprocess import MEAN, STD
from models.cmmp.weights import load_cmmp
from models.cmmp_scorer import CMMPScorer
from models.datasets.world import SETTINGS, find_setting, world_vocabulary
from models.errors import ModelError
from models.evaluation.world_pairs import ScoredPairs, ZeroShot, score_world, zero_shot
from models.training.boxes import Pairs
from models.training.world_cmmp import Parts, WorldPlan, train_world_cmmp
from models.training.world_frames import HELD_OUT, render_frames
from models.training.world_pairs import world_pairs
from models.training.world_parts import (
    BOXES,
    LEARNED,
    PLAIN,
    boxes_only,
    chance,
    clips_with_enough,
    object_prior,
    plain_clip,
)

ENOUGH = 50  # times that each hidden pair is shown at least, where the clips have as many


@dataclass(frozen=True)
class Bench:
    """What all rows have in common."""

    clip: CLIP  # heard no held-out pair
    clips: Sequence[Path]  # to train on
    held_out: Sequence[Path]
    work: Path
    plan: WorldPlan  # of the first seed; each row has parts of its own
    seeds: int = 3

    @property
    def hidden(self) -> frozenset[tuple[str, str]]:
        return SETTINGS[self.plan.setting]


def make_bench(
    work: Path,
    bundle: str,
    plan: WorldPlan,
    *,
    seeds: int,
    clips: int,
    held_out: int,
    on_clip: Callable[[int], None] = lambda _: None,
) -> Bench:
    """Clips are rendered, the CLIP is the bundle's.

    A tenth of the `held_out` clips are taken as they come, of the rest those that bring a hidden
    pair to `ENOUGH`. Raises ModelError for a bundle without a CLIP of the world and for an unknown
    setting.
    """
    hidden = find_setting(plan.setting)
    clip = _bundle_clip(bundle)
    known = render_frames(work / "frames", clips, on_clip=on_clip)
    unknown = render_frames(work / "held-out", held_out, on_clip=on_clip, first_seed=HELD_OUT.start)
    first = max(1, held_out // 10)
    chosen = clips_with_enough(unknown, hidden, first=first, least=ENOUGH)
    return Bench(clip, known, chosen, work / "runs", plan, seeds)


def _bundle_clip(name: str) -> CLIP:
    bundle = load_bundle(name)
    section = bundle.manifest.scorer
    if not isinstance(section, CMMPSection) or bundle.manifest.footage != "world":
        raise ModelError(f"bundle {name}: no CMMP of the world, so it has no CLIP to test")
    return load_cmmp(section, bundle.folder, bundle.vocabulary).clip


def zero_shot_table(
    bench: Bench, *, on_run: Callable[[str, int], None] = lambda *_: None
) -> Iterator[tuple[str, ZeroShot]]:
    """Name and measure of each row, the least first. `on_run`: row and seed that come next."""
    seeds = range(bench.plan.seed, bench.plan.seed + bench.seeds)
    pairs = world_pairs(bench.clips, bench.hidden)
    plain = _kept(bench, PLAIN, bench.plan, lambda: plain_clip(bench.clip))
    yield "chance", zero_shot([chance(plain, seed) for seed in seeds], bench.hidden)
    priors = [object_prior(plain, pairs, seed) for seed in seeds]
    yield "object prior", zero_shot(priors, bench.hidden)
    yield PLAIN.name, zero_shot([plain], bench.hidden)
    for parts in (BOXES, *LEARNED):
        runs = []
        for seed in seeds:
            on_run(parts.name, seed)
            plan = _planned(bench.plan, parts, seed)
            runs.append(_kept(bench, parts, plan, partial(_train, bench, plan, pairs)))
        yield parts.name, zero_shot(runs, bench.hidden)


def _planned(plan: WorldPlan, parts: Parts, seed: int) -> WorldPlan:
    return WorldPlan(plan.images, plan.boxes, plan.batch, seed, plan.setting, parts)


def _train(bench: Bench, plan: WorldPlan, pairs: Pairs) -> CMMP:
    if plan.parts == BOXES:
        return boxes_only(bench.clip, pairs, plan)
    checkpoint = bench.work / f"{_name(bench, plan, plan.parts)}.pt"
    return train_world_cmmp(bench.clip, bench.clips, pairs, checkpoint, plan)


def _kept(bench: Bench, parts: Parts, plan: WorldPlan, make: Callable[[], CMMP]) -> ScoredPairs:
    path = bench.work / f"{_name(bench, plan, parts)}.npz"
    if path.exists():
        with np.load(path) as file:
            return ScoredPairs(**file)
    scorer = CMMPScorer(make(), world_vocabulary(), {}, MEAN, STD, dtype=torch.float32)
    scored = score_world(bench.held_out, scorer)
    bench.work.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part.npz")
    np.savez(partial, **vars(scored))
    partial.replace(path)
    return scored


def _name(bench: Bench, plan: WorldPlan, parts: Parts) -> str:
    words = "-".join(re.findall("[a-z]+", parts.name.lower()))
    clips = [[path.stem for path in some] for some in (bench.clips, bench.held_out)]
    told = hashlib.sha256(repr((plan, clips)).encode())
    for weight in bench.clip.state_dict().values():
        told.update(weight.numpy().tobytes())
    return f"{plan.setting}-{words}-{plan.seed}-{told.hexdigest()[:12]}"
