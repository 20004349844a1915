"""Phrases to vectors with CLIP's text tower; what a vector is compared with is not known here."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from open_clip.model import CLIP
from open_clip.transformer import ResidualAttentionBlock, TextTransformer
from torch import Tensor, nn
from torch.nn import functional

# Whole or without pictures: the names inside are the same.
TextTower: TypeAlias = CLIP | TextTransformer
Tokenizer = Callable[[Sequence[str]], Tensor]
BATCH = 64  # phrases in one pass: bounds memory, 64 x 77 tokens


def encode_embedded(clip: TextTower, embedded: Tensor, ends: Tensor) -> Tensor:
    """Embedded tokens (n, 77, Wt), their ends (n,) -> features (n, D), not of unit length."""
    length = int(ends.max()) + 1  # causal: what stands behind the last end cannot matter
    x = embedded[:, :length] + clip.positional_embedding[:length]
    mask = clip.attn_mask[:length, :length]
    x = clip.ln_final(clip.transformer(x, attn_mask=mask))  # (n, length, Wt)
    features: Tensor = x[torch.arange(len(x), device=x.device), ends] @ clip.text_projection
    return features


def encode_branches(clip: TextTower, stem: Tensor, branches: Tensor, ends: Tensor) -> Tensor:
    """Texts that begin alike: the common start (s, Wt), the rest of each (n, m, Wt) and its end in
    there (n,) -> features (n, D).

    What `encode_embedded` gives for the joined texts, gradients included: every place looks back
    only, so the start is the same in all texts and is computed once.
    """
    start, length = len(stem), branches.shape[1]
    shared = (stem + clip.positional_embedding[:start])[None]  # (1, s, Wt)
    x = branches + clip.positional_embedding[start : start + length]  # (n, m, Wt)
    back = torch.ones(length, start + length, dtype=torch.bool, device=x.device).tril(start)
    for block in clip.transformer.resblocks:
        q0, k0, v0 = _heads(block.attn, block.ln_1(shared))  # (1, heads, s, Wh)
        q, k, v = _heads(block.attn, block.ln_1(x))  # (n, heads, m, Wh)
        k, v = (
            torch.cat([old.expand(len(x), -1, -1, -1), new], 2) for old, new in ((k0, k), (v0, v))
        )
        seen = functional.scaled_dot_product_attention(q0, k0, v0, is_causal=True)
        shared = _finish(block, shared, seen)
        x = _finish(block, x, functional.scaled_dot_product_attention(q, k, v, back))
    x = clip.ln_final(x[torch.arange(len(x), device=x.device), ends])
    features: Tensor = x @ clip.text_projection
    return features


def _heads(attention: nn.MultiheadAttention, x: Tensor) -> tuple[Tensor, ...]:
    """(B, L, W) -> queries, keys and values (B, heads, L, W / heads)."""
    projected = functional.linear(x, attention.in_proj_weight, attention.in_proj_bias)
    split = projected.view(*projected.shape[:2], 3, attention.num_heads, -1)
    return split.permute(2, 0, 3, 1, 4).unbind()


def _finish(block: ResidualAttentionBlock, x: Tensor, seen: Tensor) -> Tensor:
    """The rest of a block after its attention saw (B, heads, L, W / heads)."""
    x = x + block.attn.out_proj(seen.transpose(1, 2).flatten(2))
    out: Tensor = x + block.mlp(block.ln_2(x))
    return out


def encode_tokens(clip: TextTower, tokens: Tensor) -> Tensor:
    """Token ids (n, 77) -> features (n, D), not of unit length."""
    return encode_embedded(clip, clip.token_embedding(tokens), tokens.argmax(-1))


class TokenTable(nn.Module):
    """Embeddings of the few tokens that a small text tower has heard.

    It takes the place of a CLIP's `token_embedding`. All other tokens share the last row, which is
    nought: a word that nobody taught says nothing.
    """

    rows: Tensor  # (vocabulary,) int16, the row of each token

    def __init__(self, vocabulary: int, words: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(0.02 * torch.randn(words, width))
        self.register_buffer("rows", torch.full((vocabulary,), words, dtype=torch.int16))

    def know(self, tokens: Tensor) -> None:
        """Give each of the token ids (words,) a row of its own."""
        self.rows[tokens] = torch.arange(len(self.weight), dtype=torch.int16)

    def knows(self, tokens: Tensor) -> Tensor:
        """Ids (...) -> (...) bool."""
        return self.rows[tokens] < len(self.weight)

    def forward(self, tokens: Tensor) -> Tensor:
        """Ids (...) -> (..., width)."""
        table = functional.pad(self.weight, (0, 0, 0, 1))
        return functional.embedding(self.rows[tokens].long(), table)


class TextEncoder:
    """Plain CLIP text features of any phrases."""

    def __init__(self, clip: TextTower, tokenizer: Tokenizer) -> None:
        self.clip = clip
        self.tokenizer = tokenizer

    @torch.inference_mode()
    def encode(self, phrases: Sequence[str]) -> npt.NDArray[np.float32]:
        """(n, D) float32, not of unit length."""
        device = self.clip.positional_embedding.device
        rows = [np.zeros((0, self.clip.text_projection.shape[1]), np.float32)]
        for start in range(0, len(phrases), BATCH):
            tokens = self.tokenizer(list(phrases[start : start + BATCH])).to(device)
            rows.append(encode_tokens(self.clip, tokens).float().cpu().numpy())
        return np.concatenate(rows)
