"""The small detector of the `world` bundle: a heat map of centres and a box at every cell.

One pass, no anchors (after TTFNet): at stride 8 every cell has a logit a class and the distances
to the four sides of its box. It learns in half an hour on two CPU cores.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

STRIDE = 8  # pixels a cell
HEIGHT, WIDTH = 240, 320  # of the network's input, pixels
PEAKS = 60  # boxes a picture that leave the network

_CHANNELS = (16, 32, 64, 112, 160)  # after strides 2, 4, 8, 16, 32
_NECK = 72
_LOG_DISTANCE = (-4.0, 4.2)  # limits of the logarithm of a distance in cells


class HeatmapDetector(nn.Module):
    """Pictures (B, 3, H, W) 0..1 -> class logits (B, C, H/8, W/8), log distances (B, 4, ...)."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        c2, c4, c8, c16, c32 = _CHANNELS
        self.stage8 = nn.Sequential(
            _conv(3, c2, 2), _conv(c2, c4, 2), _conv(c4, c4), _conv(c4, c8, 2), _Res(c8), _Res(c8)
        )
        self.stage16 = nn.Sequential(_conv(c8, c16, 2), _Res(c16), _Res(c16))
        self.stage32 = nn.Sequential(_conv(c16, c32, 2), _Res(c32))
        self.lateral32 = nn.Conv2d(c32, _NECK, 1)
        self.lateral16 = nn.Conv2d(c16, _NECK, 1)
        self.lateral8 = nn.Conv2d(c8, _NECK, 1)
        self.merge16, self.merge8 = _conv(_NECK, _NECK), _conv(_NECK, _NECK)
        self.heat = nn.Sequential(_conv(_NECK, _NECK), nn.Conv2d(_NECK, classes, 1))
        self.distances = nn.Sequential(_conv(_NECK, _NECK), nn.Conv2d(_NECK, 4, 1))
        nn.init.constant_(_last_bias(self.heat), -4.0)  # few cells are centres
        nn.init.constant_(_last_bias(self.distances), 1.0)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        fine = self.stage8((images - 0.5) / 0.25)
        middle = self.stage16(fine)
        coarse = self.stage32(middle)
        neck = self.merge16(self.lateral16(middle) + _grow(self.lateral32(coarse), middle))
        neck = self.merge8(self.lateral8(fine) + _grow(neck, fine))
        return self.heat(neck), self.distances(neck)


class DetectorWithPeaks(nn.Module):
    """What is exported: RGB 0..255 in, the strongest peaks as boxes, scores and labels out."""

    def __init__(self, network: HeatmapDetector) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, 3, H, W) -> boxes (B, K, 4) xyxy in input pixels, scores (B, K), labels (B, K)."""
        heat, log_distances = self.network(images / 255)
        rows, columns = heat.shape[2], heat.shape[3]
        scores = heat.sigmoid()
        scores = scores * (F.max_pool2d(scores, 3, 1, 1) == scores)  # (B, C, H/8, W/8)
        best, index = scores.flatten(1).topk(PEAKS)  # (B, K)
        cell = index % (rows * columns)
        x = (cell % columns).float() + 0.5
        y = torch.div(cell, columns, rounding_mode="floor").float() + 0.5
        distances = log_distances.clamp(*_LOG_DISTANCE).exp().flatten(2)  # (B, 4, cells)
        left, up, right, down = distances.gather(2, cell[:, None].expand(-1, 4, -1)).unbind(1)
        boxes = torch.stack([x - left, y - up, x + right, y + down], -1) * STRIDE
        labels = torch.div(index, rows * columns, rounding_mode="floor")
        return boxes, best, labels


def export_onnx(network: HeatmapDetector, path: Path) -> None:
    """Write the detector with its peaks as ONNX, any batch size."""
    exported = DetectorWithPeaks(network.cpu().to(memory_format=torch.contiguous_format)).eval()
    torch.onnx.export(
        exported,
        (torch.zeros(1, 3, HEIGHT, WIDTH),),
        str(path),
        input_names=["images"],
        output_names=["boxes", "scores", "labels"],
        dynamic_axes={name: {0: "batch"} for name in ("images", "boxes", "scores", "labels")},
        opset_version=17,
        dynamo=False,
    )


class _Res(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def _conv(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, out, 3, stride, 1, bias=False),
        nn.BatchNorm2d(out),
        nn.ReLU(inplace=True),
    )


def _grow(x: Tensor, like: Tensor) -> Tensor:
    return F.interpolate(x, size=like.shape[-2:], mode="nearest")


def _last_bias(head: nn.Sequential) -> Tensor:
    bias = head[-1].bias
    assert isinstance(bias, Tensor)
    return bias
