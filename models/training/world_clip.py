"""A small CLIP for the world: regions of frames and sentences, learned together (UniCL, 2022).

Its image tower is a vision transformer behind the detector's first layers. Pairs that zero-shot
tests hold out are in no picture region and in no sentence. Budgeted in images, killed and resumed
at will: batch and augmentation of a step follow from the seed and the step alone.
"""

import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from open_clip.model import CLIP
from PIL import Image as PillowImage
from torch import Tensor, nn
from torch.nn import functional

from models.cmmp.encoder import project
from models.cmmp.network import CMMPConfig, build_clip
from models.cmmp.preprocess import normalise
from models.cmmp.prompts import tokenizer
from models.cmmp.regions import region_means
from models.errors import ModelError
from models.heatmap_detector import HEIGHT, WIDTH
from models.text import encode_tokens
from models.training.checkpoints import load_checkpoint, save_checkpoint
from models.training.cmmp_examples import View
from models.training.world_captions import (
    PAIR,
    Captions,
    Regions,
    all_words,
    find_regions,
    without_some_strangers,
    write_captions,
)
from models.training.world_frames import RENDERED, decode, read_clip
from models.world.truth import VERBS

BATCH = 16
_RATE, _STEM_RATE = 1e-3, 3e-4
_KEPT = 6  # layers of the stem that stay the detector's: all up to stride 8
_WARM_UP = 200  # steps
_DECAY, _BETAS = 0.05, (0.9, 0.98)
_CLIP_NORM = 2.0
_SAVE_EVERY = 200  # steps
_SMALLEST_VIEW = 0.7  # share of the picture's sides that a piece keeps at least
_LEAST_SEEN = 0.5  # share of a region that must be left in the piece
_COLOUR = 0.2
_HOTTEST = 100.0  # CLIP's limit of the temperature's inverse
_APART = -1e4  # logit of a caption of another kind


def world_words() -> Tensor:
    """Ids of the tokens that a caption can have."""
    ids: Tensor = torch.unique(tokenizer()(all_words().split()))
    return ids


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
    seed: int = 0,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> CLIP:
    """Train until `images` were seen; goes on from `checkpoint` if there is one.

    Raises ModelError for a budget below one batch, and for a checkpoint that is damaged or of a
    training with another seed or budget.
    """
    if images < BATCH:
        raise ModelError(f"a training needs at least {BATCH} images, not {images}")
    torch.manual_seed(seed)
    clip = make_world_clip(detector)
    stem = clip.visual.conv1.layers
    stem[:_KEPT].requires_grad_(False)
    learned = [p for p in stem.parameters() if p.requires_grad]
    others = [p for p in clip.parameters() if all(p is not one for one in stem.parameters())]
    groups = [{"params": others, "peak": _RATE}, {"params": learned, "peak": _STEM_RATE}]
    optimiser = torch.optim.AdamW(groups, _RATE, betas=_BETAS, weight_decay=_DECAY, fused=True)
    steps, step = images // BATCH, 0
    plan = {"seed": seed, "steps": steps}
    if state := load_checkpoint(checkpoint, plan):
        clip.load_state_dict(state["clip"])
        optimiser.load_state_dict(state["optimiser"])
        step = int(state["step"])
    frames = _Frames(clips, seed)
    clip.train()
    with ThreadPoolExecutor(1) as ahead:
        batch = ahead.submit(frames.batch, step)
        while step < steps:
            now, batch = batch, ahead.submit(frames.batch, step + 1)
            for group in optimiser.param_groups:
                group["lr"] = group["peak"] * _rate(step, steps)
            loss = _step(clip, optimiser, *now.result())
            step += 1
            on_step(Progress(step * BATCH, images, loss))
            if step % _SAVE_EVERY == 0 or step == steps:
                state = {"clip": clip.state_dict(), "optimiser": optimiser.state_dict()}
                save_checkpoint(checkpoint, state | {"step": step}, plan)
    return clip.eval()


def region_vectors(clip: CLIP, images: Tensor, boxes: Sequence[Tensor]) -> Tensor:
    """Images (B, 3, S, S) and boxes (R, 4) in shares of their sides -> (all R, D) of length one."""
    side = images.shape[-1]
    tokens = clip.visual.transformer(clip.visual._embeds(images))
    means = [
        region_means(one, box * side, side)
        for one, box in zip(project(clip.visual, tokens)[0], boxes, strict=True)
    ]
    return functional.normalize(torch.cat(means), dim=-1)


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


def _step(
    clip: CLIP,
    optimiser: torch.optim.Optimizer,
    images: Tensor,
    regions: Sequence[Regions],
    captions: Captions,
) -> float:
    facts = np.concatenate([one.facts for one in regions])
    vectors = region_vectors(clip, images, [torch.from_numpy(one.boxes) for one in regions])
    texts, said = np.unique(captions.texts, return_inverse=True)
    words = encode_tokens(clip, tokenizer()(texts.tolist()))[torch.from_numpy(said)]
    scale = clip.logit_scale.exp().clamp(max=_HOTTEST)
    logits = scale * vectors @ functional.normalize(words, dim=-1).T  # (R, T)
    other = torch.from_numpy(facts[:, :1] != captions.facts[:, 0])
    true = torch.from_numpy(captions.true_of(facts))
    loss = unicl_loss(logits.masked_fill(other, _APART), true)
    optimiser.zero_grad()
    torch.autograd.backward(loss)
    nn.utils.clip_grad_norm_(clip.parameters(), _CLIP_NORM)
    optimiser.step()
    return loss.item()


def _rate(step: int, steps: int) -> float:
    return min(1, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))


class _Frames:
    """All frames of the clips, compressed in memory."""

    def __init__(self, clips: Sequence[Path], seed: int) -> None:
        self._seed = seed
        self._frames: list[tuple[npt.NDArray[np.uint8], Regions]] = []
        for clip in clips:
            for jpeg, truth in zip(*read_clip(clip), strict=True):
                regions = find_regions(truth, RENDERED)
                if len(regions.boxes):
                    self._frames.append((jpeg, regions))
        if not self._frames:
            raise ModelError("no clip shows anything")
        self._weights = rarity(_verbs_shown([regions for _, regions in self._frames]))

    def batch(self, step: int) -> tuple[Tensor, list[Regions], Captions]:
        """Images (B, 3, S, S), the regions of each, captions; the same for the same step."""
        rng = np.random.default_rng([self._seed, step])
        images, found = [], []
        for row in rng.choice(len(self._frames), BATCH, p=self._weights):
            jpeg, regions = self._frames[row]
            view = _draw_view(rng)
            picture = view.picture(PillowImage.fromarray(decode(jpeg)), world_config().image_size)
            images.append(normalise(picture))
            found.append(_seen_in(without_some_strangers(regions, rng), view))
        pixels = torch.stack(images)
        light = 1 + _COLOUR * (rng.random((BATCH, 1, 1, 1)) - 0.5)
        cast = _COLOUR * (rng.random((BATCH, 3, 1, 1)) - 0.5)
        pixels = pixels * torch.from_numpy(light).float() + torch.from_numpy(cast).float()
        return pixels, found, write_captions(np.concatenate([one.facts for one in found]), rng)


def _verbs_shown(regions: Sequence[Regions]) -> npt.NDArray[np.bool_]:
    """(frames, V)."""
    pairs = [one.facts[one.facts[:, 0] == PAIR, 1] for one in regions]
    return np.array([[(masks >> v & 1).any() for v in range(len(VERBS))] for masks in pairs], bool)


def rarity(shown: npt.NDArray[np.bool_]) -> npt.NDArray[np.float64]:
    """How often a frame is drawn (frames,), by the verbs in it (frames, V): the more, the rarer the
    rarest of them."""
    rare = (shown / np.sqrt(shown.sum(0).clip(1))).max(1)
    weights = rare + 0.3 * rare.mean()
    return np.asarray(weights / weights.sum())


def _draw_view(rng: np.random.Generator) -> View:
    """In pixels of a stored frame."""
    share = rng.uniform(_SMALLEST_VIEW, 1) if rng.random() < 0.7 else 1.0
    width, height = WIDTH * share, HEIGHT * share
    left, top = rng.random() * (WIDTH - width), rng.random() * (HEIGHT - height)
    return View(left, top, width, height, bool(rng.random() < 0.5))


def _seen_in(regions: Regions, view: View) -> Regions:
    """The regions in shares of the view's sides; those mostly outside it are left out."""
    whole = regions.boxes * np.array([WIDTH, HEIGHT, WIDTH, HEIGHT], np.float32)
    boxes = view.boxes(whole)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1) * (view.width * view.height)
    kept = areas >= _LEAST_SEEN * (whole[:, 2:] - whole[:, :2]).prod(1)
    return Regions(boxes, regions.facts).take(kept & (areas > 0))
