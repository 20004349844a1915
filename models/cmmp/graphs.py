"""The network as CUDA graphs: one launch a round in place of some five hundred.

At a few frames a round a GPU waits for those launches longer than it computes. A graph is of one
size, so rounds are padded to the next size that has one; it is captured when first met.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from models.cmmp.network import CMMP
from models.cmmp.rounds import Round, Size

MOST_IMAGES = 64  # of a round; larger ones keep the GPU busy without a graph
MOST_GRAPHS = 32  # that are kept; each has its own inputs and outputs, 50 MB at most
_STEP = 16  # the least number of pairs, and what instances are a multiple of
_WARM_UP = 3  # passes before a capture, for libraries that choose their kernels in the first ones


@dataclass(frozen=True)
class _Captured:
    """A graph and the memory that it reads from and writes to."""

    graph: torch.cuda.CUDAGraph
    images: Tensor
    packed: Round
    vectors: Tensor


class GraphedNetwork:
    """A `CMMP` on a GPU, for inference; used by one thread at a time."""

    def __init__(self, model: CMMP, patterns: Tensor) -> None:
        self._model, self._patterns = model, patterns
        self._captured: dict[Size, _Captured] = {}
        self._pool = torch.cuda.graph_pool_handle()  # memory that all graphs share

    def fit(self, least: Size) -> Size:
        """The size that a round has to be packed in."""
        if least.images > MOST_IMAGES:
            return least
        instances = -(-least.instances // _STEP) * _STEP
        pairs = max(_STEP, _power(least.pairs))
        return Size(_power(least.images), instances, pairs, _power(least.taps))

    @torch.inference_mode()
    def __call__(self, images: Tensor, packed: Round) -> Tensor:
        """At most B images (n, 3, S, S) and a round of B -> pair vectors (B * P, D).

        They are overwritten by the next call.
        """
        if packed.size.images > MOST_IMAGES:
            return self._model.vectors(images, packed.to(images.device), self._patterns)
        held = self._captured.pop(packed.size, None) or self._make_room(images, packed)
        self._captured[packed.size] = held  # what was used last stands last
        held.images[: len(images)].copy_(images)
        for own, new in zip(held.packed.tensors, packed.tensors, strict=True):
            own.copy_(new)
        held.graph.replay()
        return held.vectors

    def _make_room(self, images: Tensor, packed: Round) -> _Captured:
        """A new graph, in place of the one that was not used for longest."""
        if len(self._captured) >= MOST_GRAPHS:
            del self._captured[next(iter(self._captured))]
        try:
            return self._capture(images, packed)
        except torch.OutOfMemoryError:
            self._captured.clear()  # whoever tries again with fewer images finds room
            raise

    def _capture(self, images: Tensor, packed: Round) -> _Captured:
        held = packed.to(images.device)
        shape = packed.size.images, *images.shape[1:]
        pixels = torch.zeros(shape, dtype=images.dtype, device=images.device)
        pixels = pixels.contiguous(memory_format=torch.channels_last)
        side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(_WARM_UP):
                self._model.vectors(pixels, held, self._patterns)
        torch.cuda.current_stream().wait_stream(side)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            vectors = self._model.vectors(pixels, held, self._patterns)
        return _Captured(graph, pixels, held, vectors)


def _power(number: int) -> int:
    """The next power of two."""
    return 1 << (number - 1).bit_length()
