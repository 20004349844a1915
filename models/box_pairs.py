"""Pairs scored by a box scorer: no pixel is looked at."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import supervision as sv
import torch

from models.box_scorer import BoxScorer
from models.bundle import Calibration
from models.errors import ModelError
from models.evidence import Evidence, Floats
from models.pairs import PairScores, pair_features, select_pairs
from models.vocabulary import Verb, Vocabulary

Image = npt.NDArray[np.uint8]


class BoxPairScorer:
    """Scores pairs with a box scorer; pictures are taken for their size alone."""

    def __init__(
        self, network: BoxScorer, vocabulary: Vocabulary, calibration: Mapping[str, Calibration]
    ) -> None:
        if network.config.classes != len(vocabulary.objects) or network.config.verbs != len(
            vocabulary.verbs
        ):
            raise ModelError("the scorer's sizes differ from its vocabulary's")
        self._network = network
        self._objects = frozenset(vocabulary.objects)
        self._index = {name: i for i, name in enumerate(vocabulary.objects)}
        self._evidence = Evidence(vocabulary, calibration)
        self.verb_names = vocabulary.verb_names

    @property
    def prototypes(self) -> Floats:
        """(V, D): logits are the pair vectors times these."""
        prototypes: Floats = self._network.prototypes.detach().float().numpy()
        return prototypes

    def listen(self, verbs: Sequence[Verb]) -> tuple[str, ...]:
        """Nothing else than its vocabulary: there is no text tower. Returns the others."""
        return tuple(verb.name for verb in verbs if verb.name not in self.verb_names)

    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        """One result a frame; all pairs of the round go through the network together."""
        if not images:
            return []
        pairs = [select_pairs(found, self._objects) for found in detections]
        features, classes = [], []
        for image, found, rows in zip(images, detections, pairs, strict=True):
            size = np.array([image.shape[1], image.shape[0]], np.float32)
            boxes = found.xyxy.astype(np.float32)
            features.append(pair_features(boxes[rows[:, 0]], boxes[rows[:, 1]], size))
            names = found.data.get("class_name", np.zeros(0, object))
            classes.append(np.array([self._index[names[row]] for row in rows[:, 1]], np.int64))
        vectors, logits = self._run(np.concatenate(features), np.concatenate(classes))
        results, start = [], 0
        for found, rows, kinds in zip(detections, pairs, classes, strict=True):
            part = slice(start, start + len(rows))
            ids = np.zeros(0, np.int64) if found.tracker_id is None else found.tracker_id
            results.append(self._evidence.scores(ids, rows, kinds, vectors[part], logits[part]))
            start = part.stop
        return results

    def _run(self, features: Floats, classes: npt.NDArray[np.int64]) -> tuple[Floats, Floats]:
        with torch.inference_mode():
            q = self._network.vectors(torch.from_numpy(features), torch.from_numpy(classes))
            logits = q @ self._network.prototypes.T
        return q.numpy(), logits.numpy()
