"""CLIP's image tower with an adapter before every block (spec 1.7)."""

from collections.abc import Iterator

import torch
from open_clip.transformer import QuickGELU, VisionTransformer
from torch import Tensor, nn

from models.cmmp.adapters import Adapter
from models.cmmp.attention import attend, mask_padding

_QUICK = 1.702


def project(visual: VisionTransformer, x: Tensor) -> tuple[Tensor, Tensor]:
    """Tokens (B, L, W) after the last block -> map (B, D, g, g), class vector (B, D)."""
    joint = visual.ln_post(x) @ visual.proj  # (B, L, D)
    high, wide = visual.grid_size
    return joint[:, 1:].transpose(1, 2).unflatten(2, (high, wide)), joint[:, 0]


class ImageEncoder(nn.Module):
    """Images and instance tokens -> one map of joint-space features an image."""

    def __init__(self, visual: VisionTransformer, bottleneck: int, hidden: int) -> None:
        super().__init__()
        self.visual = visual
        width: int = visual.conv1.out_channels
        self.adapters = nn.ModuleList(
            Adapter(width, bottleneck, hidden) for _ in visual.transformer.resblocks
        )

    @torch.no_grad()
    def fold(self) -> None:
        """For inference: the same function, with fewer passes over the tokens.

        QuickGELU, x sigmoid(1.702 x), is torch's SiLU of 1.702 x, over 1.702; the factors go into
        the weights around it.
        """
        for block in self.visual.transformer.resblocks:
            if isinstance(block.mlp.gelu, QuickGELU):
                block.mlp.c_fc.weight.mul_(_QUICK)
                block.mlp.c_fc.bias.mul_(_QUICK)
                block.mlp.c_proj.weight.div_(_QUICK)
                block.mlp.gelu = nn.SiLU()

    def embed(self, images: Tensor) -> Tensor:
        """(B, 3, S, S) -> tokens (B, L, W) after ln_pre; the class token stands first."""
        tokens: Tensor = self.visual._embeds(images)
        return tokens

    def blocks(
        self, x: Tensor, context: Tensor, padding: Tensor | None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """For each block what its adapter adds and what it gives out, (B, L, W) both."""
        mask = None if padding is None else mask_padding(padding, x.dtype)
        for adapter, block in zip(self.adapters, self.visual.transformer.resblocks, strict=True):
            added = adapter(x, context, mask)
            x = x + added
            x = x + block.ls_1(attend(block.attn, block.ln_1(x), None))
            x = x + block.ls_2(block.mlp(block.ln_2(x)))
            yield added, x

    def project(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Tokens (B, L, W) -> map (B, D, g, g) of the patches, class vector (B, D)."""
        return project(self.visual, x)

    def forward(self, images: Tensor, context: Tensor, padding: Tensor | None) -> Tensor:
        """Images (B, 3, S, S), context (B, N, 64) -> feature map (B, D, g, g)."""
        out = x = self.embed(images)
        for _, after in self.blocks(x, context, padding):
            out = after
        return self.project(out)[0]
