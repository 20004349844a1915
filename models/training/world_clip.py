"""A small CLIP for the world: regions of frames and sentences, learned together (UniCL, 2022).

Its image tower is a vision transformer behind the detector's first layers. Pairs that zero-shot
tests hold out are in no picture region and in no sentence. Budgeted in images, killed and resumed
at will: batch and augmentation of a step follow from the seed and the step alone.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from open_clip.model import CLIP
from torch import Tensor, nn
from torch.nn import functional

from models.cmmp.encoder import project
from models.cmmp.network import CMMPConfig, build_clip
from models.cmmp.prompts import tokenizer
from models.cmmp.regions import region_bins
from models.device import choose_device
from models.errors import ModelError
from models.text import encode_tokens
from models.training.checkpoints import load_checkpoint, save_checkpoint
from models.training.loading import load_ahead
from models.training.world_captions import all_words
from models.training.world_clip_batches import ClipBatch, ClipFrames

BATCH = 64
_RATE, _STEM_RATE = 1e-3, 3e-4
_KEPT = 6  # layers of the stem that stay the detector's: all up to stride 8
_WARM_UP = 200  # steps
_DECAY, _BETAS = 0.05, (0.9, 0.98)
_CLIP_NORM = 2.0
_SAVE_EVERY = 200  # steps
_HOTTEST = 100.0  # CLIP's limit of the temperature's inverse
_APART = -1e4  # logit of a caption of another kind


@cache
def world_words() -> Tensor:
    """Ids of the tokens that a caption can have."""
    ids: Tensor = torch.unique(tokenizer()(all_words().split()))
    return ids


@cache
def world_config() -> CMMPConfig:
    """Sizes of the world's towers and of a CMMP on them."""
    return CMMPConfig(
        image_size=256,
        width=128,
        layers=4,
        stem=(16, 32, 64, 112),
        text_width=128,
        text_layers=2,
        words=len(world_words()),
        dim=128,
        context=8,
    )


@dataclass(frozen=True)
class Progress:
    """Where a training is."""

    images: int
    budget: int
    loss: float


def make_world_clip(detector: Path) -> CLIP:
    """Untrained towers behind the first layers of an exported detector."""
    clip = build_clip(world_config())
    clip.visual.conv1.load_detector(detector)
    clip.token_embedding.know(world_words())
    return clip


def train_world_clip(
    clips: Sequence[Path],
    detector: Path,
    checkpoint: Path,
    *,
    images: int,
    batch: int = BATCH,
    seed: int = 0,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> CLIP:
    """Train until `images` were seen; goes on from `checkpoint` if there is one.

    Raises ModelError for a budget below one batch, and for a checkpoint that is damaged or of a
    training with another seed or budget.
    """
    if images < batch:
        raise ModelError(f"a training needs at least {batch} images, not {images}")
    torch.manual_seed(seed)
    device = choose_device()
    clip = make_world_clip(detector).to(device)
    stem = clip.visual.conv1.layers
    stem[:_KEPT].requires_grad_(False)
    learned = [p for p in stem.parameters() if p.requires_grad]
    others = [p for p in clip.parameters() if all(p is not one for one in stem.parameters())]
    groups = [{"params": others, "peak": _RATE}, {"params": learned, "peak": _STEM_RATE}]
    optimiser = torch.optim.AdamW(groups, _RATE, betas=_BETAS, weight_decay=_DECAY, fused=True)
    steps, step = images // batch, 0
    plan = {"seed": seed, "batch": batch, "steps": steps}
    if state := load_checkpoint(checkpoint, plan):
        clip.load_state_dict(state["clip"])
        optimiser.load_state_dict(state["optimiser"])
        step = int(state["step"])
    frames = ClipFrames(clips, seed, batch, world_config().image_size)
    clip.train()
    with closing(load_ahead(frames.batch, range(step, steps))) as batches:
        for made in batches:
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * _rate(step, steps)
            loss = _step(clip, optimiser, made.to(device))
            step += 1
            on_step(Progress(step * batch, images, loss))
            if step % _SAVE_EVERY == 0 or step == steps:
                state = {"clip": clip.state_dict(), "optimiser": optimiser.state_dict()}
                save_checkpoint(checkpoint, state | {"step": step}, plan)
    return clip.eval()


def region_vectors(clip: CLIP, images: Tensor, boxes: Sequence[Tensor]) -> Tensor:
    """Images (B, 3, S, S) and boxes (R, 4) in shares of their sides -> (all R, D) of length one."""
    tokens = clip.visual.transformer(clip.visual._embeds(images))
    maps = project(clip.visual, tokens)[0]
    return functional.normalize(region_bins(maps, boxes, 1).mean((2, 3)), dim=-1)


def unicl_loss(logits: Tensor, true: Tensor) -> Tensor:
    """Logits (R, T) of regions and captions, which are true (R, T): both ways, positives averaged.

    UniCL (Yang et al., CVPR 2022), eq. 2 to 4. A row or column without a positive does not count.
    """
    total = logits.new_zeros(())
    for scores, positive in ((logits, true.float()), (logits.T, true.float().T)):
        counts = positive.sum(1)
        mean = (scores.log_softmax(1) * positive).sum(1) / counts.clamp(1)
        total = total - mean.sum() / (counts > 0).sum().clamp(1) / 2
    return total


def _step(clip: CLIP, optimiser: torch.optim.Optimizer, batch: ClipBatch) -> float:
    vectors = region_vectors(clip, batch.images, torch.split(batch.boxes, list(batch.counts)))
    words = encode_tokens(clip, batch.tokens)[batch.said]
    scale = clip.logit_scale.exp().clamp(max=_HOTTEST)
    logits = scale * vectors @ functional.normalize(words, dim=-1).T  # (R, T)
    loss = unicl_loss(logits.masked_fill(batch.other, _APART), batch.true)
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(clip.parameters(), _CLIP_NORM)
    optimiser.step()
    return loss.item()


def _rate(step: int, steps: int) -> float:
    return min(1, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
