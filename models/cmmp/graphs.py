"""The image encoder as CUDA graphs: one launch a round in place of some three hundred.

At a few frames a round a GPU waits for those launches longer than it computes. A graph is of fixed
sizes, so rounds are padded to the next size that has one; it is captured when first met.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.cmmp.encoder import ImageEncoder

MOST_IMAGES = 64  # of a round; larger ones keep the GPU busy without a graph
_TOKENS = 16  # instances are padded to a multiple of it
_WARM_UP = 3  # passes before a capture, for libraries that choose their kernels in the first ones


@dataclass(frozen=True)
class _Captured:
    """A graph and the memory that it reads from and writes to."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    context: Tensor
    padding: Tensor
    maps: Tensor


class GraphedEncoder:
    """An `ImageEncoder` on a GPU, for inference; used by one thread at a time."""

    def __init__(self, encoder: ImageEncoder) -> None:
        self._encoder = encoder
        self._captured: dict[tuple[int, int], _Captured] = {}
        self._pool: tuple[int, int] | None = None  # of memory, shared by all graphs

    @torch.inference_mode()
    def __call__(self, images: Tensor, context: Tensor, padding: Tensor) -> Tensor:
        """Like the encoder: (B, 3, S, S), (B, N, 64), (B, N) -> maps (B, D, g, g).

        The maps are overwritten by the next call.
        """
        count, tokens = padding.shape
        if count > MOST_IMAGES:
            maps: Tensor = self._encoder(images, context, padding)
            return maps
        size = 1 << (count - 1).bit_length(), -(-tokens // _TOKENS) * _TOKENS
        if size not in self._captured:
            self._captured[size] = self._capture(size, images, context)
        held = self._captured[size]
        held.images[:count].copy_(images)
        held.context[:count, :tokens].copy_(context)
        held.padding.fill_(True)
        held.padding[count:, 0] = False  # surplus rows look at something, or they are not numbers
        held.padding[:count, :tokens].copy_(padding)
        held.graph.replay()
        return held.maps[:count]

    def _capture(self, size: tuple[int, int], images: Tensor, context: Tensor) -> _Captured:
        count, tokens = size
        inputs = (
            images.new_zeros(count, *images.shape[1:]).contiguous(memory_format=_layout(images)),
            context.new_zeros(count, tokens, context.shape[2]),
            torch.zeros(size, dtype=torch.bool, device=images.device),
        )
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._encoder(*inputs)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            maps = self._encoder(*inputs)
        self._pool = self._pool or graph.pool()
        return _Captured(graph, *inputs, maps)


def _layout(images: Tensor) -> torch.memory_format:
    last = images.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if last else torch.contiguous_format
