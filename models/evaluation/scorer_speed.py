"""A CMMP with random weights and frames full of people, scored by us and naively."""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import supervision as sv
import torch
from torch import Tensor

from models.cmmp.adapters import Adapter
from models.cmmp.network import CMMP, CMMPConfig
from models.cmmp.official import read_vocabulary
from models.cmmp.preprocess import MEAN, STD
from models.cmmp.rounds import Round
from models.cmmp.weights import read_config
from models.cmmp_scorer import CMMPScorer, Frame
from models.device import choose_device
from models.evaluation.naive_cmmp import naive_logits

PEOPLE, THINGS = 8, 12
_SIDE = 480  # of the pictures

Image = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Trial:
    """The same frame contents for both ways; logits (P, V) of each frame come back."""

    model: CMMP  # float32
    scorer: CMMPScorer
    image: Image
    found: sv.Detections

    @cached_property
    def frame(self) -> Frame:
        return self.scorer.frame(self.image, self.found)

    def pixels(self, batch: int) -> Tensor:
        """(B, 3, S, S) on the device."""
        return self.scorer.pixels([self.image]).expand(batch, -1, -1, -1)

    def ours(self, batch: int) -> list[Floats]:
        scores = self.scorer.score([self.image] * batch, [self.found] * batch)
        return [each.logits for each in scores]

    def network(self, pixels: Tensor, packed: Round) -> Floats:
        """What of `ours` is the network's, from pixels on the device: the last pair vector."""
        vectors = self.scorer.vectors(pixels, packed)
        last: Floats = vectors[-1].cpu().numpy()
        return last

    @torch.inference_mode()
    def encode(self, pixels: Tensor) -> Floats:
        """CLIP's image tower alone, in the scorer's format on its device: pooled features."""
        visual = self.scorer.tower
        features: Floats = visual(pixels.to(visual.conv1.weight.dtype)).float().cpu().numpy()
        return features

    def naive(self, batch: int) -> list[Floats]:
        return [self._naive() for _ in range(batch)]

    def _naive(self) -> Floats:
        frame = self.scorer.frame(self.image, self.found)
        (pixels,) = self.scorer.pixels([self.image])
        instances, pairing = frame.instances.to(pixels.device), frame.pairing.to(pixels.device)
        logits = naive_logits(self.model, pixels, instances, pairing)
        out: Floats = logits.cpu().numpy()
        return out


def make_trial(architecture: str | None, config: CMMPConfig | None = None) -> Trial:
    """Random towers of an open_clip architecture or of a config; adapters as if trained."""
    torch.manual_seed(0)
    model = CMMP(config or read_config(architecture, {})).eval()
    with torch.no_grad():
        for adapter in model.encoder.adapters:
            assert isinstance(adapter, Adapter)
            torch.nn.init.normal_(adapter.up_proj.weight, std=0.02)
            torch.nn.init.constant_(adapter.scale, 1.0)
        model.prototypes.normal_().mul_(model.config.dim**-0.5)
        model.embeddings.normal_().mul_(model.config.dim**-0.5)
    vocabulary = read_vocabulary("hico")
    scorer = CMMPScorer(copy.deepcopy(model), vocabulary, {}, MEAN, STD)
    model.to(choose_device())
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (_SIDE, _SIDE, 3), np.uint8)
    return Trial(model, scorer, image, _crowd(rng))


def _crowd(rng: np.random.Generator) -> sv.Detections:
    count = PEOPLE + THINGS
    corner = rng.uniform(0, _SIDE / 2, (count, 2))
    size = np.full((count, 2), _SIDE / 6)
    size[:PEOPLE] = _SIDE / 3, _SIDE / 2  # tall enough to be near everything
    return sv.Detections(
        xyxy=np.concatenate([corner, corner + size], 1).astype(np.float32),
        confidence=rng.uniform(0.3, 1, count).astype(np.float32),
        class_id=np.zeros(count, int),
        tracker_id=np.arange(count),
        data={"class_name": np.array(["person"] * PEOPLE + ["cup"] * THINGS, dtype=object)},
    )
