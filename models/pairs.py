"""Which (human, object) pairs of a frame are worth scoring, and what their boxes tell."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, eq=False)
class PairScores:
    """Verb evidence for the P scored pairs of one frame; logits = vectors @ prototypes.T."""

    human: npt.NDArray[np.int64]  # (P,) track numbers
    object: npt.NDArray[np.int64]  # (P,)
    logits: npt.NDArray[np.float32]  # (P, V), raw: vectors @ prototypes.T
    vectors: npt.NDArray[np.float16]  # (P, D)
    evidence: npt.NDArray[np.float32]  # (P, V), calibrated log-odds; -inf: not with this class
