"""A patch embedding by convolutions, for towers that are too small to learn one from pixels.

"Early Convolutions Help Transformers See Better" (Xiao et al., 2021): the first layers of a
detector take the place of CLIP's `conv1`; the tokens behind it stay those of a vision transformer.
"""

from collections.abc import Sequence
from pathlib import Path

import onnx
import torch
import torch.nn.functional as F
from onnx import numpy_helper
from torch import Tensor, nn

from models.cmmp.preprocess import MEAN, STD
from models.errors import ModelError

STRIDE = 16


class ConvStem(nn.Module):
    """Pictures (B, 3, S, S) -> patches (B, W, S/16, S/16)."""

    def __init__(self, channels: Sequence[int], width: int) -> None:
        super().__init__()
        c2, c4, c8, c16 = channels  # after strides 2, 4, 8, 16
        self.out_channels = width
        self.layers = nn.Sequential(
            *(_conv(3, c2, 2), _conv(c2, c4, 2), _conv(c4, c4), _conv(c4, c8, 2)),
            *(_Residual(c8), _Residual(c8), _conv(c8, c16, 2), _Residual(c16), _Residual(c16)),
        )
        self.project = nn.Conv2d(c16, width, 1)

    def forward(self, images: Tensor) -> Tensor:
        out: Tensor = self.project(self.layers(images.to(memory_format=torch.channels_last)))
        return out

    @torch.no_grad()
    def load_detector(self, path: Path) -> None:
        """Take the first layers of an exported `HeatmapDetector`, its batch norms folded in.

        The detector sees pixels less 1/2 over 1/4, CLIP less ImageNet's mean over its deviation.
        Raises ModelError where the layers do not fit.
        """
        graph = onnx.load(str(path)).graph
        values = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        nodes = [node for node in graph.node if node.op_type == "Conv"]
        own = [layer for layer in self.layers.modules() if isinstance(layer, nn.Conv2d)]
        for layer, node in zip(own, nodes, strict=False):
            weight, bias = (torch.tensor(values[name]) for name in node.input[1:3])
            if weight.shape != layer.weight.shape or layer.bias is None:
                raise ModelError(f"{path}: its first layers are not those of this stem")
            layer.weight.copy_(weight)
            layer.bias.copy_(bias)
        first = own[0]
        mean, std = torch.tensor(MEAN).view(1, 3, 1, 1), torch.tensor(STD).view(1, 3, 1, 1)
        assert first.bias is not None
        first.bias.add_((first.weight * (mean - 0.5) / 0.25).sum((1, 2, 3)))
        first.weight.mul_(std / 0.25)


class _Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _conv(channels, channels)
        self.second = nn.Conv2d(channels, channels, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))


def _conv(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, 1), nn.ReLU(inplace=True))
