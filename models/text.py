"""Phrases to vectors with CLIP's text tower; what a vector is compared with is not known here."""

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from open_clip.model import CLIP
from open_clip.transformer import TextTransformer
from torch import Tensor

TextTower: TypeAlias = (
    CLIP | TextTransformer
)  # whole or without pictures: the names inside are the same
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


def encode_tokens(clip: TextTower, tokens: Tensor) -> Tensor:
    """Token ids (n, 77) -> features (n, D), not of unit length."""
    return encode_embedded(clip, clip.token_embedding(tokens), tokens.argmax(-1))


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
