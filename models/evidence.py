"""Raw logits to calibrated log-odds, and none for a verb that a class does not allow."""

import copy
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from models.bundle import Calibration, typical_calibration
from models.pairs import PairScores
from models.vocabulary import Vocabulary

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


class Evidence:
    """What the verbs of a vocabulary make of logits."""

    def __init__(self, vocabulary: Vocabulary, calibration: Mapping[str, Calibration]) -> None:
        self._validity = vocabulary.validity
        self._typical = typical_calibration(calibration)
        verbs = [calibration.get(name, self._typical) for name in vocabulary.verb_names]
        self._scale = np.array([verb.scale for verb in verbs], np.float32)
        self._bias = np.array([verb.bias for verb in verbs], np.float32)

    def widened(self, wanted: Sequence[bool]) -> "Evidence":
        """With a column more for each verb that was asked for later, calibrated as is typical; of
        those that are not wanted any more there is no evidence."""
        wider = copy.copy(self)
        asked = np.broadcast_to(np.array(wanted, bool), (len(self._validity), len(wanted)))
        wider._validity = np.concatenate([self._validity, asked], 1)
        more = np.ones(len(wanted), np.float32)
        wider._scale = np.concatenate([self._scale, more * np.float32(self._typical.scale)])
        wider._bias = np.concatenate([self._bias, more * np.float32(self._typical.bias)])
        return wider

    def of(self, logits: Floats, classes: Indices) -> Floats:
        """Logits (P, V) and object classes (P,) -> log-odds (P, V), -inf where not allowed."""
        evidence: Floats = self._scale * logits + self._bias
        evidence[~self._validity[classes]] = -np.inf
        return evidence

    def scores(
        self,
        tracks: npt.NDArray[np.integer[Any]],
        pairs: Indices,
        classes: Indices,
        vectors: Floats,
        logits: Floats,
    ) -> PairScores:
        """The pairs (P, 2), rows of tracks (N,), with their object classes (P,)."""
        return PairScores(
            tracks[pairs[:, 0]].astype(np.int64),
            tracks[pairs[:, 1]].astype(np.int64),
            logits,
            vectors.astype(np.float16),
            self.of(logits, classes),
        )
