"""What training and evaluation read: a picture and the pairs that people annotated on it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from models.vocabulary import Vocabulary

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Image = npt.NDArray[np.uint8]  # (H, W, 3) RGB


@dataclass(frozen=True)
class Pairs:
    """G annotated (human, verb, object) triplets; boxes are xyxy in pixels of the picture."""

    humans: Floats  # (G, 4)
    objects: Floats  # (G, 4)
    object_classes: Ints  # (G,) index in `Vocabulary.objects`
    verbs: Ints  # (G,) index in `Vocabulary.verbs`


class Pictures(Protocol):
    """Pictures in a fixed order. `keys` names them: file names, or clip and frame."""

    keys: Sequence[str]

    def image(self, index: int) -> Image:
        """Raises `ModelError`, which names the file, if it is missing or damaged."""


class HOIDataset(Pictures, Protocol):
    """Pictures with their annotations."""

    vocabulary: Vocabulary

    def pairs(self, index: int) -> Pairs:
        """Without touching the picture."""
