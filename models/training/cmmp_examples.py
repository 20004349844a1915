"""What a training step of CMMP sees: an augmented picture, candidates, and what is true in it."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import supervision as sv
import torch
from PIL import Image as PillowImage
from PIL import ImageEnhance
from torch import Tensor

from models.cmmp.instances import Instances, choose_instances
from models.cmmp.preprocess import read_pixels
from models.cmmp.weights import class_names
from models.datasets.examples import Floats, HOIDataset, Ints
from models.datasets.images import SkippedImages
from models.training.cmmp_candidates import Candidates
from models.training.cmmp_losses import PairTruth
from models.vocabulary import Vocabulary

_COLOUR = 0.4  # brightness, contrast and saturation change by up to this
_SHORT_SIDES = (400, 500, 600)  # of a picture before a piece is cut out
_CROP = 384, 600  # sides of the piece


@dataclass(frozen=True)
class Example:
    """One picture; boxes in the S-frame."""

    image: Tensor  # (3, S, S) uint8
    instances: Instances
    truth: PairTruth

    @property
    def has_pairs(self) -> bool:
        return self.instances.humans > 0 and len(self.instances) > 1


@dataclass(frozen=True)
class Names:
    """How a data set's words are numbered in a network; what is not there is left out."""

    verbs: Sequence[int | None]  # the network's verb of each of the data set's
    classes: Mapping[str, int]  # label of a detector's class

    @classmethod
    def between(cls, data: Vocabulary, network: Vocabulary) -> "Names":
        """By name."""
        verbs = {name: number for number, name in enumerate(network.verb_names)}
        classes = {name: number for number, name in enumerate(class_names(network))}
        return cls([verbs.get(name) for name in data.verb_names], classes)


@dataclass(frozen=True)
class CMMPExamples:
    """Examples of a data set, or of some of its `rows`, for pictures of `side` pixels.

    `boxes_of` says whose boxes the candidates are, so that a training is known by it.
    """

    dataset: HOIDataset
    candidates: Candidates
    names: Names
    side: int
    rows: Ints | None = None
    boxes_of: str = ""
    skipped: SkippedImages = field(default_factory=SkippedImages)

    def __len__(self) -> int:
        return len(self.dataset.keys) if self.rows is None else len(self.rows)

    @property
    def digest(self) -> str:
        """Of these pictures, what is annotated on them, and whose boxes the candidates are."""
        words = self.dataset.vocabulary
        content = hashlib.sha256(
            repr((self.boxes_of, words.verbs, words.objects, words.allowed)).encode()
        )
        for index in range(len(self)):
            content.update(f"\n{self.key(index)}\n".encode())
            pairs = self.dataset.pairs(self._row(index))
            for column in (pairs.humans, pairs.objects, pairs.object_classes, pairs.verbs):
                content.update(column.tobytes())
        return content.hexdigest()[:16]

    def seen(self, classes: int, verbs: int) -> Tensor:
        """(classes, verbs) bool, the network's numbers: what the data set lets a class do.

        A zero-shot setting has taken its unseen pairs out; a training learns nothing of the rest.
        """
        table = torch.zeros(classes, verbs, dtype=torch.bool)
        vocabulary = self.dataset.vocabulary
        for name, allowed in zip(vocabulary.objects, vocabulary.allowed, strict=True):
            for verb in (self.names.verbs[v] for v in allowed):
                if verb is not None and name in self.names.classes:
                    table[self.names.classes[name], verb] = True
        return table

    def example(self, index: int, rng: np.random.Generator, *, plain: bool = False) -> Example:
        """The same for the same `rng` state; `plain`: the whole picture as it is.

        Raises ModelError for a picture that cannot be read.
        """
        row = self._row(index)
        picture = PillowImage.fromarray(self.dataset.image(row))
        found = self.candidates(row, rng)
        view = View(0, 0, *picture.size, False) if plain else View.draw(rng, *picture.size)
        image = view.picture(picture, self.side)
        if not plain:
            image = _recolour(image, rng)
        return Example(read_pixels(image), self._instances(found, view), self._truth(row, view))

    def key(self, index: int) -> str:
        """The picture's name in the data set."""
        return self.dataset.keys[self._row(index)]

    def _row(self, index: int) -> int:
        return index if self.rows is None else int(self.rows[index])

    def _truth(self, row: int, view: "View") -> PairTruth:
        pairs = self.dataset.pairs(row)
        humans, objects = view.boxes(pairs.humans), view.boxes(pairs.objects)
        verbs = np.array([-1 if (v := self.names.verbs[i]) is None else v for i in pairs.verbs])
        kept = _visible(humans) & _visible(objects) & (verbs >= 0)
        return PairTruth(
            torch.from_numpy(humans[kept] * self.side),
            torch.from_numpy(objects[kept] * self.side),
            torch.from_numpy(verbs[kept].astype(np.int64)),
        )

    def _instances(self, found: sv.Detections, view: "View") -> Instances:
        boxes = view.boxes(found.xyxy.astype(np.float32))
        names = [str(name) for name in found.data["class_name"]]
        known = np.array([name in self.names.classes for name in names], bool) & _visible(boxes)
        assert found.confidence is not None
        labels = [self.names.classes[n] for n, keep in zip(names, known, strict=True) if keep]
        return choose_instances(
            Instances(
                torch.from_numpy(boxes[known] * self.side),
                torch.from_numpy(found.confidence[known].astype(np.float32)),
                torch.tensor(labels, dtype=torch.long),
            )
        )


@dataclass(frozen=True)
class View:
    """A piece of a picture, in pixels, perhaps seen in a mirror."""

    left: float
    top: float
    width: float
    height: float
    mirrored: bool

    @classmethod
    def draw(cls, rng: np.random.Generator, width: int, height: int) -> "View":
        """Half of the views are pieces of 384 to 600 pixels of a picture 400 to 600 high."""
        mirrored = bool(rng.random() < 0.5)
        if rng.random() < 0.5:
            return cls(0, 0, width, height, mirrored)
        scale = rng.choice(_SHORT_SIDES) / min(width, height)
        wide, high = (
            min(side, rng.integers(_CROP[0], _CROP[1] + 1) / scale) for side in (width, height)
        )
        left, top = rng.random() * (width - wide), rng.random() * (height - high)
        return cls(left, top, wide, high, mirrored)

    def boxes(self, boxes: Floats) -> Floats:
        """(N, 4) xyxy pixels -> the part inside, in shares of the view's sides."""
        low = np.array([self.left, self.top] * 2)
        out = ((boxes - low) / np.array([self.width, self.height] * 2)).clip(0, 1)
        if self.mirrored:
            out = np.stack([1 - out[:, 2], out[:, 1], 1 - out[:, 0], out[:, 3]], -1)
        return np.asarray(out, np.float32)

    def picture(self, picture: PillowImage.Image, side: int) -> PillowImage.Image:
        """Squashed to a square."""
        box = (self.left, self.top, self.left + self.width, self.top + self.height)
        out = picture.resize((side, side), PillowImage.Resampling.BICUBIC, box=box)
        return out.transpose(PillowImage.Transpose.FLIP_LEFT_RIGHT) if self.mirrored else out


def _visible(boxes: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray((boxes[:, 2:] > boxes[:, :2]).all(-1), np.bool_)


def _recolour(image: PillowImage.Image, rng: np.random.Generator) -> PillowImage.Image:
    for enhance in (ImageEnhance.Brightness, ImageEnhance.Contrast, ImageEnhance.Color):
        image = enhance(image).enhance(rng.uniform(1 - _COLOUR, 1 + _COLOUR))
    return image
