"""Image files with annotated pairs, and what happens to the ones that cannot be read."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import PIL.Image

from models.datasets.examples import Image, Pairs, Pictures
from models.errors import ModelError
from models.vocabulary import Vocabulary

logger = logging.getLogger(__name__)

_TOLD = 20  # unreadable images told by name; a folder that is not there would tell thousands


class AnnotatedImages:
    """An `HOIDataset` of image files, whatever format their annotations came in.

    `empty` names the images of the split that have no pair; they are not among `keys`.
    """

    def __init__(
        self,
        vocabulary: Vocabulary,
        keys: Sequence[str],
        files: Sequence[Path],
        pairs: Sequence[Pairs],
        empty: frozenset[str] = frozenset(),
    ) -> None:
        if len(set(keys)) != len(keys):
            twice = next(key for place, key in enumerate(keys) if key in keys[:place])
            raise ModelError(f"{twice}: two images of the data set have this name")
        self.vocabulary, self.keys, self.empty = vocabulary, keys, empty
        self._files, self._pairs = files, pairs

    def pairs(self, index: int) -> Pairs:
        return self._pairs[index]

    def image(self, index: int) -> Image:
        return read_image(self._files[index])


def read_image(path: Path) -> Image:
    """RGB as stored, without turning it by its EXIF tag: boxes are annotated on stored pixels."""
    try:
        with PIL.Image.open(path) as file:
            return np.array(file.convert("RGB"), np.uint8)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such image") from error
    except PIL.UnidentifiedImageError as error:
        raise ModelError(f"{path}: not an image") from error
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError) as error:
        raise ModelError(f"{path}: damaged image ({error})") from error


class SkippedImages:
    """Images that a run could not read: each is told once, all are counted, none is fatal."""

    def __init__(self) -> None:
        self.reasons: dict[str, str] = {}  # by key

    def read(self, dataset: Pictures, index: int) -> Image | None:
        """The picture, or None if it cannot be read."""
        try:
            return dataset.image(index)
        except ModelError as error:
            self.add(dataset.keys[index], str(error))
            return None

    def add(self, key: str, reason: str) -> None:
        """One more that could not be read."""
        if key in self.reasons:
            return
        self.reasons[key] = reason
        if len(self.reasons) <= _TOLD:
            logger.warning("%s; skipped", reason)
        elif len(self.reasons) == _TOLD + 1:
            logger.warning("more images cannot be read; from here on they are only counted")


def first_folder(candidates: Sequence[Path]) -> Path:
    """The first that exists, else the first: then every image is told as missing there."""
    return next((folder for folder in candidates if folder.is_dir()), candidates[0])
