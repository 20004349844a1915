"""CLIP alone, the simplest way to put words to a pair: no CMMP, no training on interactions.

A pair is the mean of the image tower's features under the box around both; cosine with a sentence.
"""

from collections.abc import Sequence
from dataclasses import replace

import supervision as sv
import torch

from models.bundle import Bundle, CMMPSection
from models.cmmp.checkpoint import read_state
from models.cmmp.network import CMMP
from models.cmmp.regions import unit
from models.cmmp.weights import read_config, vocabulary_sentences
from models.cmmp_scorer import CMMPScorer
from models.datasets.examples import Floats, Image
from models.errors import ModelError
from models.pairs import PairScores


class UnionClip:
    """The towers of a CMMP bundle without what makes them a CMMP."""

    def __init__(self, bundle: Bundle) -> None:
        """Raises `ModelError` if the bundle has no CLIP."""
        section = bundle.manifest.scorer
        if not isinstance(section, CMMPSection):
            raise ModelError(f"bundle {bundle.name} has no CLIP")
        config = read_config(section.architecture, section.sizes)
        config = replace(config, context=0, geometry=0)  # nothing learned
        self._model = CMMP(config, vocabulary_sentences(bundle.vocabulary))
        self._model.clip.load_state_dict(read_state(bundle.path(section.clip)))
        self._model.encode_texts()
        with torch.no_grad():
            self._model.human_scale.zero_()
            self._model.object_scale.zero_()
            self._model.union_scale.fill_(1.0)
        self._scorer = CMMPScorer(
            self._model, bundle.vocabulary, bundle.manifest.calibration, section.mean, section.std
        )

    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        """`vectors` (P, D) have length one."""
        return self._scorer.score(images, detections)

    @torch.inference_mode()
    def sentences(self, sentences: Sequence[str]) -> Floats:
        """(n, D) of length one: pair vectors times these are cosines."""
        vectors: Floats = unit(self._model.encode_prompts(sentences)).float().cpu().numpy()
        return vectors
