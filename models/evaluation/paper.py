"""CMMP on annotated images as its paper evaluates it: its own choice of instances, all their pairs.

A stream looks at near pairs of tracked things and at no two people; the published numbers count
every person with everybody and everything else (spec 1.3 to 1.10), "no interaction" too.
"""

from collections.abc import Sequence

import numpy as np
import supervision as sv
import torch
from PIL import Image as PillowImage
from torch import Tensor

from models.bundle import Bundle, CMMPSection
from models.cmmp.instances import Instances, choose_rows
from models.cmmp.network import CMMP, Pairs
from models.cmmp.preprocess import MEAN, STD, prepare_image
from models.cmmp.weights import class_names, load_cmmp
from models.datasets.examples import Image, Ints
from models.device import choose_device
from models.errors import ModelError
from models.pairs import PairScores
from models.vocabulary import Vocabulary


class PaperScorer:
    """Raw logits of all pairs; evidence is minus infinity where the data set allows no verb."""

    def __init__(self, model: CMMP, mine: Vocabulary, data: Vocabulary) -> None:
        """`mine`: the network's words, `data`: the data set's."""
        self._device = choose_device()
        self._model = model.eval().to(self._device)
        self._labels = {name: label for label, name in enumerate(class_names(mine))}
        allowed = dict(zip(data.objects, data.validity, strict=True))
        column = {name: number for number, name in enumerate(data.verb_names)}
        self._allowed = np.zeros((len(self._labels), len(mine.verbs)), bool)
        for name, label in self._labels.items():
            for verb, word in enumerate(mine.verb_names):
                known = name in allowed and word in column
                self._allowed[label, verb] = known and allowed[name][column[word]]

    @classmethod
    def load(cls, bundle: Bundle, data: Vocabulary) -> "PaperScorer":
        """Of a bundle of kind `cmmp`, for a data set's words."""
        section = bundle.manifest.scorer
        if not isinstance(section, CMMPSection):
            raise ModelError(f"bundle {bundle.name} holds no CMMP")
        if (section.mean, section.std) != (MEAN, STD):
            raise ModelError(f"bundle {bundle.name}: its pixels are not normalised as the paper's")
        model = load_cmmp(section, bundle.folder, bundle.vocabulary)
        return cls(model, bundle.vocabulary, data)

    @torch.inference_mode()
    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        """One result an image; `human` and `object` are rows of its detections."""
        if not images:
            return []
        chosen = [self._choose(*one) for one in zip(images, detections, strict=True)]
        side = self._model.config.image_size
        pixels = torch.stack([prepare_image(PillowImage.fromarray(i), side)[1] for i in images])
        found = self._model(pixels.to(self._device), [instances for _, instances in chosen])
        return [self._scores(pairs, rows) for pairs, (rows, _) in zip(found, chosen, strict=True)]

    def _choose(self, image: Image, found: sv.Detections) -> tuple[Ints, Instances]:
        """Rows of the detections that count, and these in the S-frame, people first."""
        names = found.data.get("class_name", np.zeros(0, object))
        known = np.flatnonzero([str(name) in self._labels for name in names]).astype(np.int64)
        side = np.float32(self._model.config.image_size)
        scale = side / np.array([image.shape[1], image.shape[0]] * 2, np.float32)
        confidence = np.ones(len(found)) if found.confidence is None else found.confidence
        instances = Instances(
            self._tensor(found.xyxy[known].astype(np.float32) * scale),
            self._tensor(confidence[known].astype(np.float32)),
            self._tensor(np.array([self._labels[str(names[row])] for row in known], np.int64)),
        )
        rows = choose_rows(instances)
        return known[rows.cpu().numpy()], instances.take(rows)

    def _scores(self, pairs: Pairs, rows: Ints) -> PairScores:
        human, thing = pairs.pairing.cpu().numpy()
        logits = pairs.logits.float().cpu().numpy()
        labels = pairs.instances.labels[pairs.pairing[1]].cpu().numpy()
        evidence = np.where(self._allowed[labels], logits, np.float32(-np.inf))
        vectors = pairs.vectors.cpu().numpy().astype(np.float16)
        return PairScores(rows[human], rows[thing], logits, vectors, evidence)

    def _tensor(self, values: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        return torch.from_numpy(values).to(self._device)
