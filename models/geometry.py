"""What the two boxes of a pair tell without the picture: the numbers all scorers are given."""

import torch
from torch import Tensor

FEATURES = 16  # numbers that describe a pair of boxes


def pair_geometry(human: Tensor, thing: Tensor, size: Tensor) -> Tensor:
    """Geometry (P, 16) of boxes (P, 4) xyxy in pixels, in units of the person's height.

    `size` is the picture's width and height, (2,) or one a pair (P, 2).

    Offset of the centres, logarithms of sizes and shapes, overlap over each area and over the
    union, offsets of both corners, and where and how large the person is in the picture.
    """
    human_size, thing_size = human[:, 2:] - human[:, :2], thing[:, 2:] - thing[:, :2]
    scale = human_size[:, 1:] + 1e-6  # (P, 1)
    human_centre = (human[:, :2] + human[:, 2:]) / 2
    thing_centre = (thing[:, :2] + thing[:, 2:]) / 2
    low = torch.maximum(human[:, :2], thing[:, :2])
    high = torch.minimum(human[:, 2:], thing[:, 2:])
    shared = (high - low).clamp(min=0).prod(1, keepdim=True)
    human_area = human_size.prod(1, keepdim=True) + 1e-6
    thing_area = thing_size.prod(1, keepdim=True) + 1e-6
    columns = (
        (thing_centre - human_centre) / scale,
        torch.log(thing_size / scale + 1e-3),
        torch.log(human_size[:, :1] / scale + 1e-3),
        torch.log(thing_size[:, :1] / (thing_size[:, 1:] + 1e-6) + 1e-3),
        shared / human_area,
        shared / thing_area,
        shared / (human_area + thing_area - shared),
        (thing[:, :2] - human[:, :2]) / scale,
        (thing[:, 2:] - human[:, 2:]) / scale,
        human_centre / size,
        torch.log(scale / size.expand(human_centre.shape)[:, 1:] + 1e-6),
    )
    return torch.cat(columns, 1)
