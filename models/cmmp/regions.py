"""The mean of a 7x7 aligned ROI, by its separable form (spec 1.8 and 7).

Bilinear taps and the rule for samples outside the map factorise over the two axes, so the mean
over all samples of a box is one row of weights per axis.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor
from torchvision.ops import roi_align

BINS = 7
_TINY = 1e-30  # a length that no vector but zero has
MOST_TAPS = 64  # samples in a bin; only boxes of more than 448 cells would have more


def axis_weights(
    start: Tensor, end: Tensor, cells: int, scale: float, most: int | None = None
) -> Tensor:
    """Averaged bilinear tap weights (N, cells) of N intervals along one axis.

    start, end: (N,) in pixels; scale: cells per pixel. A sample more than one cell outside counts
    as zero and still counts in the average; nearer ones clamp to the border cell.
    """
    if not len(start):
        return start.new_zeros(0, cells)
    first = start * scale - 0.5  # (N,) cells, pixel centres aligned
    width = (end * scale - 0.5 - first) / BINS  # (N,) one bin
    taps = width.ceil().clamp(0, MOST_TAPS)  # (N,) samples in a bin
    most = most or max(int(taps.max()), 1)
    bins = torch.arange(BINS, device=start.device).view(1, -1, 1)
    steps = torch.arange(most, device=start.device).view(1, 1, -1)
    shape = (-1, 1, 1)
    step = width / taps.clamp(min=1)
    at = (
        first.view(shape)
        + bins * width.view(shape)
        + (steps + 0.5) * step.view(shape)  # (N, 7, most)
    )
    counted = (steps < taps.view(shape)) & (at >= -1) & (at <= cells)
    grid = torch.arange(cells, device=start.device)
    distance = (at.clamp(0, cells - 1)[..., None] - grid).abs()  # (N, 7, most, cells)
    weights = (1 - distance).clamp(min=0) * counted[..., None]
    return weights.sum((1, 2)) / (BINS * taps.clamp(min=1))[:, None]  # (N, cells)


def cell_weights(boxes: Tensor, grid: int, side: int, taps: int | None = None) -> Tensor:
    """Boxes (N, 4) in the S-frame -> (N, g * g), how much each cell counts in a box's mean."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    down = axis_weights(y1, y2, grid, grid / side, taps)  # (N, g)
    across = axis_weights(x1, x2, grid, grid / side, taps)  # (N, g)
    return (down[:, :, None] * across[:, None, :]).flatten(1)


def region_means(feature_maps: Tensor, boxes: Tensor, side: int, taps: int | None = None) -> Tensor:
    """Feature maps (B, D, g, g), xyxy boxes (B * N, 4) in the S-frame, N of each -> (B * N, D).

    taps: samples in a bin of the widest box at least; None: they are asked of the boxes, for which
    a GPU has to be waited for.
    """
    count, grid = len(feature_maps), feature_maps.shape[-1]
    weights = cell_weights(boxes, grid, side, taps).to(feature_maps.dtype)
    own = weights.view(count, len(boxes) // count, grid * grid)
    return (own @ feature_maps.flatten(2).transpose(1, 2)).flatten(0, 1)


def region_bins(feature_maps: Tensor, boxes: Sequence[Tensor], side: int) -> Tensor:
    """What `region_means` are the means of, for dropout in training.

    Feature maps (B, D, g, g) and the boxes (N, 4) of each -> (all N, D, 7, 7).
    """
    scale = feature_maps.shape[-1] / side
    bins: Tensor = roi_align(feature_maps, list(boxes), BINS, spatial_scale=scale, aligned=True)
    return bins


def union_boxes(first: Tensor, second: Tensor) -> Tensor:
    """Smallest boxes (P, 4) around two boxes (P, 4) each."""
    low = torch.minimum(first[:, :2], second[:, :2])
    return torch.cat([low, torch.maximum(first[:, 2:], second[:, 2:])], dim=-1)


def unit(vectors: Tensor) -> Tensor:
    """Vectors (N, D) of length one; a zero vector (box outside the image) stays zero, not NaN."""
    return F.normalize(vectors, dim=-1, eps=_TINY)
