"""The bottleneck adapter before a CLIP block: all tokens look at the instances (spec 1.7)."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.cmmp.attention import attend

WIDTH = 64
HEADS = 2
DROPOUT = 0.1


class Adapter(nn.Module):
    """Adds what the instances say to every token of one block's input."""

    def __init__(self, width: int, bottleneck: int = WIDTH, hidden: int = 2 * WIDTH) -> None:
        super().__init__()
        self.down_proj = nn.Linear(width, bottleneck)
        self.attention = nn.MultiheadAttention(bottleneck, HEADS, dropout=DROPOUT, batch_first=True)
        self.linear1 = nn.Linear(bottleneck, hidden)
        self.linear2 = nn.Linear(hidden, bottleneck)
        self.norm2 = nn.LayerNorm(bottleneck)
        self.norm3 = nn.LayerNorm(bottleneck)
        self.up_proj = nn.Linear(bottleneck, width)
        self.scale = nn.Parameter(torch.full((width,), 1e-9))  # the network starts as plain CLIP
        self.dropout = nn.Dropout(DROPOUT)
        nn.init.kaiming_uniform_(self.down_proj.weight, a=math.sqrt(5))
        nn.init.zeros_(self.down_proj.bias)
        nn.init.zeros_(self.up_proj.weight)
        nn.init.zeros_(self.up_proj.bias)

    def decode(self, hidden: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens (B, L, 64) attend to instances (B, N, 64); mask of `mask_padding`."""
        seen = attend(self.attention, hidden, context, mask)
        hidden = self.norm2(hidden + self.dropout(seen))  # (B, L, 64)
        inner = self.linear2(self.dropout(self.linear1(hidden).relu()))
        out: Tensor = self.norm3(hidden + self.dropout(inner))
        return out

    def forward(self, x: Tensor, context: Tensor, mask: Tensor | None) -> Tensor:
        """Tokens (B, L, W) -> the term to add to them (B, L, W)."""
        hidden = self.decode(self.down_proj(x).relu(), context, mask)  # (B, L, 64)
        last, scale = self.up_proj, self.scale  # the weights are fewer than the tokens
        return F.linear(hidden, scale[:, None] * last.weight, scale * last.bias)
