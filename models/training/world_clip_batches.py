"""What a step of the world's CLIP sees: pieces of frames, regions in them, captions of these."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image as PillowImage
from torch import Tensor

from models.cmmp.preprocess import normalise_pixels, read_pixels
from models.cmmp.prompts import tokenizer
from models.errors import ModelError
from models.heatmap_detector import HEIGHT, WIDTH
from models.training.cmmp_examples import View
from models.training.world_captions import (
    PAIR,
    Regions,
    find_regions,
    without_some_strangers,
    write_captions,
)
from models.training.world_frames import RENDERED, decode, read_clip
from models.world.truth import VERBS

_SMALLEST_VIEW = 0.7  # share of the picture's sides that a piece keeps at least
_LEAST_SEEN = 0.5  # share of a region that must be left in the piece
_COLOUR = 0.2


@dataclass(frozen=True)
class ClipBatch:
    """B images, R regions of all of them, T captions, of which U are worded differently."""

    pixels: Tensor  # (B, 3, S, S) uint8
    light: Tensor  # (B, 1, 1, 1) factor of all colours
    cast: Tensor  # (B, 3, 1, 1) added to each
    boxes: Tensor  # (R, 4) in shares of the sides; those of an image stand together
    counts: tuple[int, ...]  # (B,) regions
    tokens: Tensor  # (U, 77)
    said: Tensor  # (T,) which of the U
    true: Tensor  # (R, T) bool
    other: Tensor  # (R, T) bool: the caption is of another kind of region

    def to(self, device: torch.device) -> "ClipBatch":
        return ClipBatch(
            self.pixels.to(device),
            self.light.to(device),
            self.cast.to(device),
            self.boxes.to(device),
            self.counts,
            self.tokens.to(device),
            self.said.to(device),
            self.true.to(device),
            self.other.to(device),
        )

    @property
    def images(self) -> Tensor:
        """(B, 3, S, S) float32, as the tower wants them, in another light."""
        return normalise_pixels(self.pixels) * self.light + self.cast


class ClipFrames:
    """All frames of the clips, compressed in memory."""

    def __init__(self, clips: Sequence[Path], seed: int, size: int, side: int) -> None:
        """`size` images a batch, of `side` pixels.

        Raises ModelError where no clip shows anything.
        """
        self._seed, self._size, self._side = seed, size, side
        self._frames: list[tuple[npt.NDArray[np.uint8], Regions]] = []
        for clip in clips:
            for jpeg, truth in zip(*read_clip(clip), strict=True):
                regions = find_regions(truth, RENDERED)
                if len(regions.boxes):
                    self._frames.append((jpeg, regions))
        if not self._frames:
            raise ModelError("no clip shows anything")
        self._weights = rarity(_verbs_shown([regions for _, regions in self._frames]))

    def batch(self, step: int) -> ClipBatch:
        """The same for the same step."""
        rng = np.random.default_rng([self._seed, step])
        pixels, found = [], []
        for row in rng.choice(len(self._frames), self._size, p=self._weights):
            jpeg, regions = self._frames[row]
            view = _draw_view(rng)
            picture = view.picture(PillowImage.fromarray(decode(jpeg)), self._side)
            pixels.append(read_pixels(picture))
            found.append(_seen_in(without_some_strangers(regions, rng), view))
        facts = np.concatenate([one.facts for one in found])
        captions = write_captions(facts, rng)
        texts, said = np.unique(captions.texts, return_inverse=True)
        return ClipBatch(
            torch.stack(pixels),
            torch.from_numpy(1 + _COLOUR * (rng.random((self._size, 1, 1, 1)) - 0.5)).float(),
            torch.from_numpy(_COLOUR * (rng.random((self._size, 3, 1, 1)) - 0.5)).float(),
            torch.from_numpy(np.concatenate([one.boxes for one in found])),
            tuple(len(one.boxes) for one in found),
            tokenizer()(texts.tolist()),
            torch.from_numpy(said),
            torch.from_numpy(captions.true_of(facts)),
            torch.from_numpy(facts[:, :1] != captions.facts[:, 0]),
        )


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
