"""One image, two tensors: what the detector sees and what CLIP sees (spec 1.1)."""

import numpy as np
import torch
from PIL import Image
from torch import Tensor

SHORT_SIDE = 800
LONG_SIDE = 1333
MEAN = (0.485, 0.456, 0.406)  # ImageNet's, for CLIP too: the weights were trained so
STD = (0.229, 0.224, 0.225)


def detector_size(width: int, height: int) -> tuple[int, int]:
    """(width, height) after the detector's resize: short side 800, long side at most 1333."""
    short, long = sorted((width, height))
    side = SHORT_SIDE
    if long / short * side > LONG_SIDE:
        side = round(LONG_SIDE * short / long)
    other = int(side * long / short)
    return (side, other) if width <= height else (other, side)


def normalise(image: Image.Image) -> Tensor:
    """RGB image -> (3, H, W) float32 with ImageNet's mean and deviation taken out."""
    return normalise_pixels(read_pixels(image))


def read_pixels(image: Image.Image) -> Tensor:
    """RGB image -> (3, H, W) uint8."""
    return torch.from_numpy(np.array(image, dtype=np.uint8)).permute(2, 0, 1)


def normalise_pixels(pixels: Tensor) -> Tensor:
    """(..., 3, H, W) uint8 -> float32 with ImageNet's mean and deviation taken out."""
    mean, std = (pixels.new_tensor(c, dtype=torch.float32).view(3, 1, 1) for c in (MEAN, STD))
    return (pixels.float() / 255 - mean) / std


def resize_for_detector(image: Image.Image) -> Image.Image:
    """Its sides are in proportion still."""
    return image.resize(detector_size(*image.size), Image.Resampling.BICUBIC)


def prepare_image(image: Image.Image, side: int) -> tuple[Tensor, Tensor]:
    """RGB image -> detector tensor (3, h, w) and CLIP tensor (3, S, S); S is `side`.

    CLIP's copy is resized from the detector's copy, squashed to a square.
    """
    resized = resize_for_detector(image)
    squashed = resized.resize((side, side), Image.Resampling.BICUBIC)
    return normalise(resized), normalise(squashed)
