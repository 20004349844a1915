"""Attention by torch's fused kernel, with the weights of an `nn.MultiheadAttention`.

In inference that module goes another way of its own, which keeps all L x L weights and takes a
sixth longer for a whole frame on a CPU.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def attend(
    module: nn.MultiheadAttention, x: Tensor, context: Tensor | None, mask: Tensor | None = None
) -> Tensor:
    """Tokens (B, L, W) look at context (B, N, W), or at each other -> (B, L, W).

    mask: of `mask_padding`; something is left to look at in every row.
    """
    weight, bias, width = module.in_proj_weight, module.in_proj_bias, module.embed_dim
    if context is None:
        q, k, v = F.linear(x, weight, bias).chunk(3, -1)
    else:
        q = F.linear(x, weight[:width], bias[:width])
        k, v = F.linear(context, weight[width:], bias[width:]).chunk(2, -1)
    heads = module.num_heads
    dropout = module.dropout if module.training else 0.0
    seen = F.scaled_dot_product_attention(
        _heads(q, heads), _heads(k, heads), _heads(v, heads), mask, dropout
    )
    out: Tensor = module.out_proj(seen.transpose(1, 2).flatten(2))
    return out


def mask_padding(padding: Tensor, dtype: torch.dtype) -> Tensor:
    """(B, N), True = ignore -> what attention adds to its logits, (B, 1, 1, N).

    Made once for all layers; of a bool the kernel makes it anew in each.
    """
    zeros = torch.zeros_like(padding, dtype=dtype)
    return zeros.masked_fill(padding, -torch.inf)[:, None, None]


def _heads(x: Tensor, heads: int) -> Tensor:
    """(B, L, W) -> (B, heads, L, W / heads)."""
    return x.view(*x.shape[:2], heads, -1).transpose(1, 2)
