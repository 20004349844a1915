"""Training of the `world` bundle's detector: budgeted in images, killed and resumed at will.

Batch and augmentation of a step follow from the seed and the step alone, so a resumed training
ends at the same weights as an uninterrupted one; on a GPU but for the order in which it adds up.
"""

import math
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from models.device import choose_device, choose_dtype
from models.errors import ModelError
from models.heatmap_detector import HEIGHT, STRIDE, WIDTH, HeatmapDetector
from models.training.checkpoints import load_checkpoint, save_checkpoint
from models.training.loading import load_ahead
from models.training.world_frames import RENDERED_TO_INPUT, decode, read_clip
from models.world.truth import CLASSES, Instance

BATCH = 24
_RATE, _WARM_UP = 2.5e-3, 100  # learning rate, steps
_DECAY, _EMA = 1e-3, 0.998
_BOX_WEIGHT = 2.5
_CLIP = 10.0  # gradient norm
_SAVE_EVERY = 200  # steps
_HIDDEN = 0.75  # occluded more than this: neither asked for nor punished
_SPREAD, _LEAST_SPREAD = 0.13, 0.45  # of a centre's Gaussian: share of the box, cells
_BOX_CELLS = 0.35  # cells with more of the Gaussian than this learn the box

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Progress:
    """Where a training is."""

    images: int
    budget: int
    heat_loss: float
    box_loss: float


def train_world_detector(
    clips: Sequence[Path],
    checkpoint: Path,
    *,
    images: int,
    seed: int = 0,
    on_step: Callable[[Progress], None] = lambda _: None,
) -> HeatmapDetector:
    """Train until `images` were seen; goes on from `checkpoint` if there is one.

    Raises ModelError for a budget below one batch, and for a checkpoint that is damaged or belongs
    to a training with another seed or budget.
    """
    if images < BATCH:
        raise ModelError(f"a training needs at least {BATCH} images, not {images}")
    torch.manual_seed(seed)
    frames = _Frames(clips, seed)
    device = choose_device()
    network = HeatmapDetector(len(CLASSES)).to(device).to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), _RATE, weight_decay=_DECAY)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    step = 0
    steps = images // BATCH
    plan = {"seed": seed, "steps": steps}
    if state := load_checkpoint(checkpoint, plan):
        network.load_state_dict(state["network"])
        optimiser.load_state_dict(state["optimiser"])
        average = {name: value.to(device) for name, value in state["average"].items()}
        step = int(state["step"])
    with closing(load_ahead(frames.batch, range(step, steps))) as batches:
        for pictures, *targets in batches:
            parts = [part.to(device) for part in targets]
            heat_loss, box_loss = _step(network, optimiser, pictures.to(device), parts, step, steps)
            step += 1
            _follow(average, network, min(_EMA, step / (step + 20)))
            on_step(Progress(step * BATCH, images, heat_loss, box_loss))
            if step % _SAVE_EVERY == 0 or step == steps:
                state = {"network": network.state_dict(), "optimiser": optimiser.state_dict()}
                save_checkpoint(checkpoint, state | {"average": average, "step": step}, plan)
    network.load_state_dict(average)
    return network.eval()


class _Frames:
    """All frames of the clips, compressed in memory."""

    def __init__(self, clips: Sequence[Path], seed: int) -> None:
        self._seed = seed
        self._frames: list[tuple[npt.NDArray[np.uint8], tuple[Instance, ...]]] = []
        for clip in clips:
            jpegs, truths = read_clip(clip)
            self._frames += [(j, t.instances) for j, t in zip(jpegs, truths, strict=True)]

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """Pictures (B, 3, H, W) 0..1 and targets; the same for the same step and seed."""
        seed = self._seed
        epoch, start = divmod(step * BATCH, max(BATCH, len(self._frames) // BATCH * BATCH))
        order = np.random.default_rng([seed, epoch]).permutation(len(self._frames))
        rows = np.resize(order, max(len(order), BATCH))[start : start + BATCH]
        rng = np.random.default_rng([seed, step, 1])
        pictures, targets = [], []
        for row in rows:
            jpeg, instances = self._frames[row]
            picture = decode(jpeg)
            boxes = np.array([i.box for i in instances]).reshape(-1, 4) * RENDERED_TO_INPUT
            if rng.random() < 0.5:
                picture = np.ascontiguousarray(picture[:, ::-1])
                mirrored = WIDTH - boxes[:, 2], boxes[:, 1], WIDTH - boxes[:, 0], boxes[:, 3]
                boxes = np.stack(mirrored, 1)
            pictures.append(picture)
            targets.append(make_targets(boxes, instances))
        x = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2).float().div_(255)
        bright = 1 + 0.25 * (rng.random((len(rows), 1, 1, 1)) - 0.5)
        cast = 0.1 * (rng.random((len(rows), 3, 1, 1)) - 0.5)
        x = x * torch.from_numpy(bright).float() + torch.from_numpy(cast).float()
        stacked = (torch.from_numpy(np.stack(part)) for part in zip(*targets, strict=True))
        return x.contiguous(memory_format=torch.channels_last), *stacked


def make_targets(
    boxes: npt.NDArray[np.float64], instances: Sequence[Instance]
) -> tuple[Floats, Floats, Floats, Floats]:
    """Heat (C, h, w), distances (4, h, w) in cells, box weight (h, w), what counts (C, h, w)."""
    h, w = HEIGHT // STRIDE, WIDTH // STRIDE
    heat = np.zeros((len(CLASSES), h, w), np.float32)
    counts = np.ones_like(heat)
    distances = np.zeros((4, h, w), np.float32)
    weight = np.zeros((h, w), np.float32)
    y, x = np.arange(h)[:, None] + 0.5, np.arange(w)[None] + 0.5
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    for row in np.argsort(-areas, kind="stable"):  # small boxes last: they win shared cells
        x0, y0, x1, y1 = boxes[row] / STRIDE
        index, cx, cy = CLASSES.index(instances[row].class_name), (x0 + x1) / 2, (y0 + y1) / 2
        sx, sy = (max(_LEAST_SPREAD, side * _SPREAD) for side in (x1 - x0, y1 - y0))
        bell = np.exp(-((x - cx) ** 2 / (2 * sx * sx) + (y - cy) ** 2 / (2 * sy * sy)))
        if instances[row].occlusion > _HIDDEN:
            counts[index][bell > 0.1] = 0
            continue
        bell[min(h - 1, max(0, int(cy))), min(w - 1, max(0, int(cx)))] = 1
        heat[index] = np.maximum(heat[index], bell)
        near = bell > _BOX_CELLS
        sides = np.stack([np.broadcast_to(s, (h, w)) for s in (x - x0, y - y0, x1 - x, y1 - y)])
        distances[:, near] = np.maximum(sides, 0.05)[:, near]
        weight[near] = (bell / bell[near].sum())[near]
    return heat, distances, weight, counts


def _step(
    network: HeatmapDetector,
    optimiser: torch.optim.Optimizer,
    pictures: Tensor,
    targets: Sequence[Tensor],
    step: int,
    steps: int,
) -> tuple[float, float]:
    rate = _RATE * min(1, (step + 1) / _WARM_UP) * (0.5 + 0.5 * math.cos(math.pi * step / steps))
    for group in optimiser.param_groups:
        group["lr"] = rate
    network.train()
    half = choose_dtype(pictures.device)  # emulated it is many times slower
    with torch.autocast(pictures.device.type, half, enabled=half == torch.bfloat16):
        heat, log_distances = network(pictures)
    heat_loss, box_loss = losses(heat.float(), log_distances.float(), *targets)
    optimiser.zero_grad()
    torch.autograd.backward(heat_loss + _BOX_WEIGHT * box_loss)
    nn.utils.clip_grad_norm_(network.parameters(), _CLIP)
    optimiser.step()
    return heat_loss.item(), box_loss.item()


def losses(
    heat: Tensor,
    log_distances: Tensor,
    centres: Tensor,
    sides: Tensor,
    weight: Tensor,
    counts: Tensor,
) -> tuple[Tensor, Tensor]:
    """Focal loss of the centres (CenterNet, eq. 1) and GIoU loss of the boxes around them."""
    p = heat.sigmoid().clamp(1e-4, 1 - 1e-4)
    positive = (centres >= 0.999).float() * counts
    near = torch.log(p) * (1 - p) ** 2 * positive
    far = torch.log(1 - p) * p**2 * (1 - centres) ** 4 * (1 - positive) * counts
    heat_loss = -(near + far).sum() / positive.sum().clamp(1)
    found = log_distances.clamp(-4, 4.2).exp()  # (B, 4, h, w): left, up, right, down
    shared_w = torch.min(found[:, 0], sides[:, 0]) + torch.min(found[:, 2], sides[:, 2])
    shared_h = torch.min(found[:, 1], sides[:, 1]) + torch.min(found[:, 3], sides[:, 3])
    hull_w = torch.max(found[:, 0], sides[:, 0]) + torch.max(found[:, 2], sides[:, 2])
    hull_h = torch.max(found[:, 1], sides[:, 1]) + torch.max(found[:, 3], sides[:, 3])
    shared, hull = shared_w * shared_h, hull_w * hull_h
    areas = [(s[:, 0] + s[:, 2]) * (s[:, 1] + s[:, 3]) for s in (found, sides)]
    union = areas[0] + areas[1] - shared
    giou = shared / (union + 1e-6) - (hull - union) / (hull + 1e-6)
    return heat_loss, ((1 - giou) * weight).sum() / weight.sum().clamp(1e-3)


@torch.no_grad()
def _follow(average: dict[str, Tensor], network: nn.Module, share: float) -> None:
    for name, value in network.state_dict().items():
        if value.dtype.is_floating_point:
            average[name].mul_(share).add_(value, alpha=1 - share)
        else:
            average[name].copy_(value)
