"""CMMP as its specification reads, one image at a time in float32: what ours is measured against.

Nothing is computed before it is needed and nothing is shared between pairs (spec 7 lists what
that costs). Only weights are taken from our network, never its methods.
"""

import torch
from torch import Tensor
from torchvision.ops import roi_align

from models.cmmp.adapters import Adapter
from models.cmmp.instances import Instances
from models.cmmp.network import CMMP


@torch.inference_mode()
def naive_logits(model: CMMP, image: Tensor, instances: Instances, pairing: Tensor) -> Tensor:
    """CLIP image (3, S, S), instances, pairing (2, P) rows of them -> logits (P, V)."""
    feature_map = _encode(model, image[None], _tokens(model, instances))
    rows, columns = pairing
    first, second = instances.boxes[rows], instances.boxes[columns]
    low = torch.minimum(first[:, :2], second[:, :2])
    unions = torch.cat([low, torch.maximum(first[:, 2:], second[:, 2:])], 1)
    means = [_means(model, feature_map, boxes) for boxes in (instances.boxes, unions)]
    human, thing, union = means[0][rows], means[0][columns], means[1]
    texts = model.prototypes.T
    return (
        model.human_scale * (human @ model.human_weight) @ texts
        + model.object_scale * (thing @ model.object_weight) @ texts
        + model.union_scale * union @ texts
    )


def _tokens(model: CMMP, instances: Instances) -> Tensor:
    """Context (1, N, 64) of all adapters (spec 1.5, 1.6)."""
    side = model.config.image_size
    embeddings = model.embeddings[instances.labels]
    columns = [instances.scores[:, None], instances.boxes / side, embeddings]
    tokens: Tensor = model.priors.project(torch.cat(columns, 1))[None]
    patterns = model.priors.project_patterns(model.priors.patterns)[None]
    out: Tensor = model.priors.fusion(tokens, patterns)
    return out


def _encode(model: CMMP, image: Tensor, context: Tensor) -> Tensor:
    """Feature map (1, D, g, g) (spec 1.7); the attention weights are asked for, as published."""
    visual = model.clip.visual
    x = visual._embeds(image)
    for adapter, block in zip(model.encoder.adapters, visual.transformer.resblocks, strict=True):
        assert isinstance(adapter, Adapter)
        hidden = adapter.down_proj(x).relu()
        seen, _ = adapter.attention(hidden, context, context, need_weights=True)
        hidden = adapter.norm2(hidden + seen)
        hidden = adapter.norm3(hidden + adapter.linear2(adapter.linear1(hidden).relu()))
        x = x + adapter.scale * adapter.up_proj(hidden)
        normed = block.ln_1(x)
        x = x + block.attn(normed, normed, normed, need_weights=True)[0]
        x = x + block.mlp(block.ln_2(x))
    joint = (visual.ln_post(x) @ visual.proj)[:, 1:]  # (1, g * g, D)
    feature_map: Tensor = joint.transpose(1, 2).unflatten(2, visual.grid_size)
    return feature_map


def _means(model: CMMP, feature_map: Tensor, boxes: Tensor) -> Tensor:
    """Unit vectors (N, D) of boxes (N, 4) in the S-frame (spec 1.8)."""
    scale = feature_map.shape[-1] / model.config.image_size
    bins = roi_align(feature_map, [boxes], 7, spatial_scale=scale, aligned=True)
    means = bins.mean((2, 3))
    out: Tensor = means / means.norm(dim=1, keepdim=True)
    return out
