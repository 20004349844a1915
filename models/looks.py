"""What a person or a thing looks like: a vector of CLIP's own image tower.

It is compared with sentences such as "a photo of a striped cup". What CMMP learns, adapters and
words before a sentence, is about interactions and stays out.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch.nn import functional

from models.cmmp.encoder import project
from models.cmmp.regions import region_bins
from models.cmmp.stem import ConvStem
from models.cmmp_scorer import CMMPScorer, Halves, Image

_TIGHT, _WIDE = 1.1, 2.0  # sides of what is looked at, in longer sides of the box
_LEAST = 64  # pixels of such a side: of less a tower makes what it likes

Floats = npt.NDArray[np.float32]


class Looker:
    """Looks through the towers of a scorer, by the thread that scores.

    CLIP's class vector of the square around a box. A tower of the world's kind (`stem.py`), of
    which regions were trained and the class vector was not, gives the mean of the box in a wider
    square.
    """

    def __init__(self, scorer: CMMPScorer) -> None:
        self._scorer = scorer
        self._regions = isinstance(scorer.tower.conv1, ConvStem)

    @torch.inference_mode()
    def look(self, images: Sequence[Image], boxes: Sequence[Floats]) -> list[Halves]:
        """An image for each box (4,) xyxy in its pixels -> vectors (D,) of length one."""
        tower = self._scorer.tower
        around = _WIDE if self._regions else _TIGHT
        views = [_view(image, box, around) for image, box in zip(images, boxes, strict=True)]
        crops = [_cut(image, view) for image, view in zip(images, views, strict=True)]
        pixels = self._scorer.pixels(crops).to(tower.proj.dtype)
        maps, classes = project(tower, tower.transformer(tower._embeds(pixels)))
        vectors = classes
        if self._regions:
            inside = [_inside(box, view) for box, view in zip(boxes, views, strict=True)]
            regions = [torch.from_numpy(each[None]).to(maps.device) for each in inside]
            vectors = region_bins(maps.float(), regions, 1).mean((2, 3))
        return list(functional.normalize(vectors.float(), dim=-1).half().cpu().numpy())


def _view(image: Image, box: Floats, around: float) -> Floats:
    """A square around the middle of the box, moved and cut to the image: (4,) xyxy pixels."""
    size = np.array(image.shape[1::-1], np.float32)
    side = np.minimum(max(around * float((box[2:] - box[:2]).max()), _LEAST), size)
    low = np.clip((box[:2] + box[2:] - side) / 2, 0, size - side)
    return np.concatenate([np.floor(low), np.ceil(low + side)])


def _cut(image: Image, view: Floats) -> Image:
    x1, y1, x2, y2 = view.astype(int)
    return image[y1:y2, x1:x2]


def _inside(box: Floats, view: Floats) -> Floats:
    """The box in shares of the view's sides, cut to it."""
    low, size = np.tile(view[:2], 2), np.tile(view[2:] - view[:2], 2)
    return np.clip((box - low) / size, 0, 1).astype(np.float32)
