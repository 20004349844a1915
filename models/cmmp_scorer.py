"""Pairs scored by CMMP: one pass of the image encoder a round, over all cameras' frames."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
import numpy.typing as npt
import supervision as sv
import torch
from open_clip.transformer import VisionTransformer
from torch import Tensor

from models.bundle import Calibration
from models.cmmp.graphs import GraphedNetwork
from models.cmmp.instances import HUMAN, Instances
from models.cmmp.network import CMMP
from models.cmmp.rounds import Round, measure_round, pack_round, pair_rows
from models.cmmp.weights import class_names
from models.device import choose_device, choose_dtype, half_of_the_processors
from models.errors import ModelError
from models.evidence import Evidence, Floats
from models.pairs import PairScores, select_pairs
from models.vocabulary import Verb, Vocabulary

Image = npt.NDArray[np.uint8]  # (H, W, 3) RGB
Halves = npt.NDArray[np.float16]
Colour = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Frame:
    """What one frame brings: its pairs, and the instances that are in them, people first.

    All in the memory of the CPU.
    """

    pairs: npt.NDArray[np.int64]  # (P, 2) rows of the detections
    classes: npt.NDArray[np.int64]  # (P,) of the vocabulary
    instances: Instances  # boxes in the S-frame
    pairing: Tensor  # (2, P) rows of the instances


@dataclass(frozen=True, eq=False)
class _Heard:
    """What the columns of the scores are: the vocabulary, then verbs that were asked for later."""

    names: tuple[str, ...]  # (V,)
    prototypes: Floats  # (V, D)
    evidence: Evidence
    texts: Tensor  # the prototypes on the scorer's device


class CMMPScorer:
    """Scores pairs by what CLIP sees of them.

    The image tower runs in the device's number format, all else in float32. What no image changes
    (texts, class table, pattern tokens) is computed when the scorer is made.
    """

    def __init__(
        self,
        model: CMMP,
        vocabulary: Vocabulary,
        calibration: Mapping[str, Calibration],
        mean: Colour,
        std: Colour,
        *,
        dtype: torch.dtype | None = None,
    ) -> None:
        if len(model.prototypes) != len(vocabulary.verbs):
            raise ModelError("the scorer's sizes differ from its vocabulary's")
        self._device = choose_device()
        self._dtype = dtype or choose_dtype(self._device)
        self._model = model.eval().to(self._device)
        model.encoder.fold()
        model.encoder.to(self._dtype)
        self._vocabulary = {name: i for i, name in enumerate(vocabulary.objects)}
        self._labels = {name: i for i, name in enumerate(class_names(vocabulary))}
        self._base = Evidence(vocabulary, calibration)
        # of a whole row of pixels: three numbers at a time would be slow
        side = model.config.image_size
        factor, shift = 1 / (255 * np.array(std)), -np.array(mean) / np.array(std)
        self._factor = self._tensor(np.tile(factor, side).astype(np.float32))  # (3 S,)
        self._shift = self._tensor(np.tile(shift, side).astype(np.float32))
        with torch.inference_mode():
            self._patterns = model.priors.global_tokens()  # (10, 64)
        cuda = self._device.type == "cuda"
        self._threads = ThreadPoolExecutor(half_of_the_processors(), "squash")
        self._graphs = GraphedNetwork(model, self._patterns) if cuda else None
        prototypes: Floats = model.prototypes.detach().float().cpu().numpy()
        self._known = len(vocabulary.verbs)
        self._heard = self._hear(vocabulary.verb_names, prototypes, self._base)

    @property
    def prototypes(self) -> Floats:
        """(V, D): logits are the pair vectors times these."""
        return self._heard.prototypes

    @property
    def verb_names(self) -> tuple[str, ...]:
        """(V,) what the columns of the scores are; while it runs they only become more."""
        return self._heard.names

    def listen(self, verbs: Sequence[Verb]) -> tuple[str, ...]:
        """From the next round on score these verbs, too, and of earlier calls no others.

        Called by one thread at a time, while another one scores. Returns those that it cannot.
        """
        heard, model = self._heard, self._model
        deaf = {verb.name for verb in verbs if model.prompts.unheard(model.clip, verb.sentence)}
        verbs = [verb for verb in verbs if verb.name not in deaf or verb.name in heard.names]
        new = [verb for verb in verbs if verb.name not in heard.names]
        if new and model.config.free_prototypes:
            return tuple(verb.name for verb in new)
        rows = [heard.prototypes]
        if new:
            with torch.inference_mode():
                encoded = model.encode_prompts([verb.sentence for verb in new])
            rows.append(encoded.float().cpu().numpy())
        names = (*heard.names, *(verb.name for verb in new))
        asked = {verb.name for verb in verbs}
        wanted = [name in asked for name in names[self._known :]]
        self._heard = self._hear(names, np.concatenate(rows), self._base.widened(wanted))
        return tuple(sorted(deaf - set(names)))

    def _hear(self, names: tuple[str, ...], prototypes: Floats, evidence: Evidence) -> _Heard:
        return _Heard(names, prototypes, evidence, self._tensor(prototypes))

    @property
    def tower(self) -> VisionTransformer:
        """CLIP's image tower, without the adapters."""
        tower: VisionTransformer = self._model.clip.visual
        return tower

    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        """One result a frame; frames without a pair are not encoded."""
        heard = self._heard  # one for the whole round
        frames = [self.frame(image, found) for image, found in zip(images, detections, strict=True)]
        useful = [i for i, frame in enumerate(frames) if len(frame.pairs)]
        vectors, logits = self._run([images[i] for i in useful], [frames[i] for i in useful], heard)
        classes = np.concatenate([np.zeros(0, np.int64), *(frame.classes for frame in frames)])
        evidence = heard.evidence.of(logits, classes)
        results, start = [], 0
        for frame, found in zip(frames, detections, strict=True):
            ids = np.zeros(0, np.int64) if found.tracker_id is None else found.tracker_id
            human, thing = ids[frame.pairs.T].astype(np.int64)
            own = slice(start, start := start + len(frame.pairs))
            results.append(PairScores(human, thing, logits[own], vectors[own], evidence[own]))
        return results

    def frame(self, image: Image, found: sv.Detections) -> Frame:
        """The near pairs of tracked instances, and these instances for the network."""
        pairs = select_pairs(found, frozenset(self._vocabulary))
        names = found.data.get("class_name", np.zeros(0, object))
        humans, things = np.unique(pairs[:, 0]), np.unique(pairs[:, 1])
        rows = np.concatenate([humans, things])
        labels = [HUMAN] * len(humans) + [self._labels[names[row]] for row in things]
        side = self._model.config.image_size
        scale = side / np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        scores = np.ones(len(found)) if found.confidence is None else found.confidence
        instances = Instances(
            torch.from_numpy(found.xyxy[rows].astype(np.float32) * scale),
            torch.from_numpy(scores[rows].astype(np.float32)),
            torch.tensor(labels, dtype=torch.long),
        )
        pairing = np.stack(
            [
                np.searchsorted(humans, pairs[:, 0]),
                len(humans) + np.searchsorted(things, pairs[:, 1]),
            ]
        )
        classes = np.array([self._vocabulary[names[row]] for row in pairs[:, 1]], np.int64)
        return Frame(pairs, classes, instances, torch.from_numpy(pairing))

    @torch.inference_mode()
    def _run(
        self, images: Sequence[Image], frames: Sequence[Frame], heard: _Heard
    ) -> tuple[Halves, Floats]:
        """Pair vectors (P, D) and logits (P, V) of all frames; every frame has a pair."""
        if not frames:
            empty = np.zeros((0, len(heard.names)), np.float32)
            return np.zeros((0, heard.prototypes.shape[1]), np.float16), empty
        pairings = [frame.pairing for frame in frames]
        packed = self.pack(frames)
        rows = pair_rows(pairings, packed.size).to(self._device)
        q = self.vectors(self.pixels(images), packed)[rows]
        return q.half().cpu().numpy(), (q @ heard.texts.T).cpu().numpy()

    def pack(self, frames: Sequence[Frame]) -> Round:
        """Frames with a pair, in the memory of the CPU, of a size that the network runs in."""
        each = [frame.instances for frame in frames]
        pairings = [frame.pairing for frame in frames]
        size = measure_round(each, pairings, self.tower.grid_size[0], self._model.config.image_size)
        return pack_round(each, pairings, self._graphs.fit(size) if self._graphs else size)

    @torch.inference_mode()
    def vectors(self, pixels: Tensor, packed: Round) -> Tensor:
        """Pictures (B, 3, S, S) on the device and their round -> pair vectors, P of each image."""
        pixels = pixels.to(self._dtype)
        if self._graphs:
            return self._graphs(pixels, packed)
        return self._model.vectors(pixels, packed.to(self._device), self._patterns)

    def pixels(self, images: Sequence[Image]) -> Tensor:
        """(B, 3, S, S) float32, squashed to a square in one step, not by way of the detector's.

        The channels are last in memory, as convolutions like it.
        """
        side = self._model.config.image_size
        each = self._threads.map(partial(_squash, side=side), images)
        squashed = np.stack(list(each))
        rows = self._tensor(squashed).flatten(2).float()  # (B, S, 3 S)
        coloured = torch.addcmul(self._shift, rows, self._factor)
        return coloured.view(-1, side, side, 3).permute(0, 3, 1, 2)

    def _tensor(self, values: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(values).to(self._device)


def _squash(image: Image, side: int) -> Image:
    way = cv2.INTER_CUBIC if min(image.shape[:2]) < side else cv2.INTER_AREA
    return np.asarray(cv2.resize(image, (side, side), interpolation=way), np.uint8)
