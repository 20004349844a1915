"""How people and things lie to each other: CMMP's global spatial patterns (spec 1.6).

The published centres cannot be computed again, their code was never released. Ours are K-means
centres of the same 36 numbers of annotated pairs, scaled to one deviation each: unscaled, the
ratio of the areas alone would decide.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import torch
from scipy.cluster.vq import kmeans2
from torch import Tensor

from models.cmmp.checkpoint import official_name
from models.datasets.examples import Floats, HOIDataset
from models.datasets.images import SkippedImages
from models.errors import ModelError

Doubles = npt.NDArray[np.float64]

WIDTH = 36
_PICTURES = 2000  # looked at; more change the centres of ten clusters little
_ROUNDS = 50
_SMALL = 1e-8  # what the authors add before a logarithm
_OFFICIAL = official_name("priors.patterns")


def pattern_features(humans: Floats, objects: Floats, size: Sequence[int]) -> Doubles:
    """Pairs of boxes (P, 4) xyxy in pixels, width and height of the picture -> (P, 36).

    Centres and sizes of both, areas, shapes, area of the person in areas of the thing, IoU, how far
    left, right, above and below the thing is in sizes of the person; then the logarithms of these.
    """
    scale = np.array([*size, *size])
    human, thing = (boxes.astype(np.float64) / scale for boxes in (humans, objects))
    w1, h1 = np.maximum(human[:, 2:] - human[:, :2], _SMALL).T
    w2, h2 = np.maximum(thing[:, 2:] - thing[:, :2], _SMALL).T
    cx1, cy1 = ((human[:, :2] + human[:, 2:]) / 2).T
    cx2, cy2 = ((thing[:, :2] + thing[:, 2:]) / 2).T
    right, below = (cx2 - cx1) / w1, (cy2 - cy1) / h1
    columns = (
        *(cx1, cy1, w1, h1, cx2, cy2, w2, h2),
        *(w1 * h1, w2 * h2, w1 / h1, w2 / h2, w1 * h1 / (w2 * h2)),
        _iou(human, thing),
        *(np.maximum(-right, 0), np.maximum(right, 0)),
        *(np.maximum(-below, 0), np.maximum(below, 0)),
    )
    features = np.stack(columns, 1)
    return np.concatenate([features, np.log(features.clip(0) + _SMALL)], 1)


def _iou(first: Doubles, second: Doubles) -> Doubles:
    """(P,) of boxes (P, 4) each."""
    low = np.maximum(first[:, :2], second[:, :2])
    high = np.minimum(first[:, 2:], second[:, 2:])
    shared = np.maximum(high - low, 0).prod(1)
    areas = [np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(1) for boxes in (first, second)]
    iou: Doubles = shared / np.maximum(areas[0] + areas[1] - shared, _SMALL)
    return iou


def spatial_patterns(
    dataset: HOIDataset, rows: Sequence[int], count: int, skipped: SkippedImages, *, seed: int
) -> Tensor:
    """Centres (count, 36) of the annotated pairs of some rows, in deviations from the mean."""
    rng = np.random.default_rng([seed, len(rows)])
    chosen = rng.permutation(rows)[:_PICTURES]
    parts = []
    for row in chosen:
        picture = skipped.read(dataset, int(row))
        if picture is not None:
            pairs = dataset.pairs(int(row))
            size = picture.shape[1], picture.shape[0]
            parts.append(pattern_features(pairs.humans, pairs.objects, size))
    if not parts:
        first = next(iter(skipped.reasons.values()), "there are none")
        raise ModelError(f"no picture to take spatial patterns from: {first}")
    features = np.unique(np.concatenate(parts), axis=0)
    scaled = (features - features.mean(0)) / np.maximum(features.std(0), 1e-6)
    if len(scaled) <= count:  # every pair is a pattern, some of them twice
        centres = np.resize(scaled, (count, WIDTH))
    else:
        centres, _ = kmeans2(scaled, count, iter=_ROUNDS, minit="++", seed=seed)
    return torch.from_numpy(centres).float()


def published_patterns(state: Mapping[str, Tensor], shape: tuple[int, int]) -> Tensor | None:
    """The patterns in an official state dict, (count, 36); None: it is not one of CMMP's."""
    patterns = state.get(_OFFICIAL)
    if patterns is not None and tuple(patterns.shape) != shape:
        raise ModelError(f"{_OFFICIAL} of the weights is {tuple(patterns.shape)}, not {shape}")
    return patterns
