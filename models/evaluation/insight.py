"""What a CMMP computes on its way from one frame to its verbs, kept for people to look at."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import supervision as sv
import torch
from torch import Tensor

from models.bundle import Bundle, CMMPSection
from models.cmmp.adapters import Adapter
from models.cmmp.instances import Instances
from models.cmmp.network import CMMP
from models.cmmp.regions import cell_weights, union_boxes
from models.cmmp.weights import load_cmmp
from models.cmmp_scorer import CMMPScorer, Image
from models.errors import ModelError

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Insight:
    """N instances that are in a pair, people first; P pairs; V verbs; a map of g x g patches."""

    names: tuple[str, ...]  # (N,), with the track's number
    boxes: Floats  # (N, 4) xyxy in the picture
    pairing: npt.NDArray[np.int64]  # (2, P) rows of instances: person, thing
    hears: Floats  # (N, K) how much of each spatial pattern an instance hears; rows sum to one
    patterns: Floats  # (K, 36)
    attention: Floats  # (N, g, g) how much a patch looks at an instance, mean of blocks and heads
    regions: Floats  # (N, g, g) weights of the patches in an instance's vector
    unions: Floats  # (P, g, g) and in that of a pair's common box
    probabilities: Floats  # (P, V), NaN where the class does not allow the verb


def look(bundle: Bundle, image: Image, found: sv.Detections) -> Insight:
    """A frame (H, W, 3) and its tracked instances, through a bundle's CMMP in float32."""
    section = bundle.manifest.scorer
    if not isinstance(section, CMMPSection):
        raise ModelError(f"bundle {bundle.name} has no CMMP to look into (scorer: {section.kind})")
    model = load_cmmp(section, bundle.folder, bundle.vocabulary)
    scorer = CMMPScorer(
        *(model, bundle.vocabulary, bundle.manifest.calibration, section.mean, section.std),
        dtype=torch.float32,
    )
    frame = scorer.frame(image, found)
    if not len(frame.pairs):
        raise ModelError("nobody is near a thing in this frame: choose another one")
    evidence = scorer.score([image], [found])[0].evidence
    chances = (1 / (1 + np.exp(-evidence))).astype(np.float32)
    rows = np.concatenate([np.unique(frame.pairs[:, 0]), np.unique(frame.pairs[:, 1])])
    ids, names = found.tracker_id, found.data["class_name"]
    assert ids is not None
    with torch.inference_mode():
        pixels = scorer.pixels([image])
        instances, pairing = frame.instances.to(pixels.device), frame.pairing.to(pixels.device)
        hears, attention = _listen(model, instances, pixels)
        boxes, side = instances.boxes, model.config.image_size
        unions = union_boxes(boxes[pairing[0]], boxes[pairing[1]])
        grid = attention.shape[-1]
        regions, both = (
            _floats(cell_weights(each, grid, side).view(-1, grid, grid)) for each in (boxes, unions)
        )
    return Insight(
        tuple(f"{names[row]} {ids[row]}" for row in rows),
        found.xyxy[rows].astype(np.float32),
        frame.pairing.numpy(),
        _floats(hears),
        _floats(model.priors.patterns.detach()),
        _floats(attention),
        regions,
        both,
        np.where(np.isneginf(evidence), np.float32(np.nan), chances),
    )


def _listen(model: CMMP, instances: Instances, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Attention of instances to patterns (N, K), and of patches to instances (N, g, g)."""
    priors = model.priors
    inputs, padding = priors.inputs([instances], model.embeddings, model.config.image_size)
    tokens, layer, known = priors.tokens(inputs), priors.fusion, priors.global_tokens()[None]
    mixed = layer.norm1(tokens + layer.self_attn(tokens, tokens, tokens, need_weights=False)[0])
    hears = layer.multihead_attn(mixed, known, known, need_weights=True)[1][0]  # (N, K)
    context, encoder = priors.fuse(tokens, padding), model.encoder
    x, seen = encoder.embed(pixels), []
    blocks = encoder.blocks(x, context, padding)
    for adapter, (_, after) in zip(encoder.adapters, blocks, strict=True):
        assert isinstance(adapter, Adapter)
        hidden = adapter.down_proj(x).relu()
        seen.append(adapter.attention(hidden, context, context, need_weights=True)[1])
        x = after
    attention = torch.cat(seen).mean(0)[1:].T  # (N, g * g): the class token's is left out
    high, wide = encoder.visual.grid_size
    return hears, attention.reshape(-1, high, wide)


def _floats(values: Tensor) -> Floats:
    out: Floats = values.float().cpu().numpy()
    return out
