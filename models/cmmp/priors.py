"""Instances as tokens, mixed with the learned spatial patterns (spec 1.5 and 1.6)."""

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

from models.cmmp.instances import Instances, join_instances

DROPOUT = 0.1


class MLP(nn.Module):
    """Linear layers with ReLU between them and none at the end."""

    def __init__(self, *sizes: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        """(..., first size) -> (..., last size)."""
        for index, layer in enumerate(self.layers):
            x = layer(x.relu() if index else x)
        return x


class Priors(nn.Module):
    """One 64-d token an instance: the context that all adapters attend to."""

    def __init__(
        self,
        instance_sizes: Sequence[int],  # D + 5, hidden.., 64
        pattern_sizes: Sequence[int],  # 36, hidden.., 64
        patterns: int,
        fusion_hidden: int,
    ) -> None:
        super().__init__()
        self.project = MLP(*instance_sizes)
        self.project_patterns = MLP(*pattern_sizes)
        self.patterns = nn.Parameter(torch.randn(patterns, pattern_sizes[0]))  # G
        self.fusion = nn.TransformerDecoderLayer(
            instance_sizes[-1], 1, fusion_hidden, DROPOUT, batch_first=True
        )

    def rows(self, instances: Instances, embeddings: Tensor, side: int) -> Tensor:
        """[score, box / S, class embedding] of each (N, D + 5)."""
        columns = (instances.scores[:, None], instances.boxes / side, embeddings[instances.labels])
        return torch.cat(columns, -1)

    def inputs(
        self, instances: Sequence[Instances], embeddings: Tensor, side: int
    ) -> tuple[Tensor, Tensor]:
        """Rows of several images (B, N, D + 5), padding (B, N), True = padding."""
        counts = [len(each) for each in instances]
        rows = torch.split(self.rows(join_instances(instances), embeddings, side), counts)
        padded = nn.utils.rnn.pad_sequence(list(rows), batch_first=True)  # (B, N, D + 5)
        lengths = torch.tensor(counts, device=padded.device)
        places = torch.arange(padded.shape[1], device=padded.device)
        return padded, places >= lengths[:, None]

    def tokens(self, inputs: Tensor) -> Tensor:
        """(B, N, D + 5) -> (B, N, 64)."""
        out: Tensor = self.project(inputs)
        return out

    def global_tokens(self) -> Tensor:
        """The spatial patterns as tokens (10, 64); no image changes them."""
        out: Tensor = self.project_patterns(self.patterns)
        return out

    def fuse(self, tokens: Tensor, padding: Tensor, patterns: Tensor | None = None) -> Tensor:
        """Tokens (B, N, 64) look at each other and at the patterns -> (B, N, 64).

        Padding is masked, so an image gets the same tokens in any batch (quirk Q1).
        """
        known = self.global_tokens() if patterns is None else patterns
        memory = known.expand(len(tokens), -1, -1)  # (B, 10, 64)
        out: Tensor = self.fusion(tokens, memory, tgt_key_padding_mask=padding)
        return out
