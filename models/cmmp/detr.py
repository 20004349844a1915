"""DETR under its authors' names -> the same network in `transformers`, every tensor once."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor
from transformers import DetrConfig, DetrForObjectDetection, DetrImageProcessor

from models import coco
from models.cmmp.preprocess import LONG_SIDE, SHORT_SIDE
from models.errors import ModelError

SHOWN = 8  # names in one message
_BICUBIC = 3  # PIL's number; the official preparation is not stock DETR's bilinear one
_RULES = (  # the first that fits counts
    (r"backbone\.0\.body\.(.+)", r"model.backbone.model.\1"),
    (r"input_proj\.(.+)", r"model.input_projection.\1"),
    (r"query_embed\.(.+)", r"model.query_position_embeddings.\1"),
    (r"class_embed\.(.+)", r"class_labels_classifier.\1"),
    (r"bbox_embed\.(.+)", r"bbox_predictor.\1"),
    (r"transformer\.decoder\.norm\.(.+)", r"model.decoder.layernorm.\1"),
    (r"transformer\.(.+)", r"model.\1"),
)
_INSIDE = (  # of a layer
    (".self_attn.out_proj.", ".self_attn.o_proj."),
    (".multihead_attn.out_proj.", ".encoder_attn.o_proj."),
    (".multihead_attn.", ".encoder_attn."),
    (".linear1.", ".mlp.fc1."),
    (".linear2.", ".mlp.fc2."),
    (".norm1.", ".self_attn_layer_norm."),
)


def transformers_name(name: str) -> str:
    """An authors' name -> transformers', that of a fused projection apart (it becomes three)."""
    for pattern, ours in _RULES:
        if re.fullmatch(pattern, name):
            moved = re.sub(pattern, ours, name)
            return _inside(moved) if name.startswith("transformer.") else moved
    raise ModelError(f"not a weight of DETR: {name}")


def _inside(name: str) -> str:
    for theirs, ours in _INSIDE:
        name = name.replace(theirs, ours)
    second = "encoder_attn_layer_norm" if ".decoder." in name else "final_layer_norm"
    return name.replace(".norm2.", f".{second}.").replace(".norm3.", ".final_layer_norm.")


def convert_detr(state: Mapping[str, Tensor]) -> DetrForObjectDetection:
    """DETR-R50 weights, without prefix -> the network in eval mode.

    Classes are COCO's 80 in their contiguous order, the last logit "no object".
    """
    ours: dict[str, Tensor] = {}
    for name, tensor in state.items():
        moved = transformers_name(name)
        if ".in_proj_" in moved:
            parts = zip("qkv", tensor.chunk(3), strict=True)
            rows = {re.sub(r"in_proj_(\w+)", rf"{p}_proj.\1", moved): part for p, part in parts}
        else:
            rows = {moved: tensor}
        ours |= rows
    labels = dict(enumerate(coco.CLASSES))
    config = DetrConfig(id2label=labels, label2id={name: i for i, name in labels.items()})
    network: Any = DetrForObjectDetection(config)
    _check(ours, {name: tuple(t.shape) for name, t in network.state_dict().items()})
    network.load_state_dict(ours)
    network.eval()
    assert isinstance(network, DetrForObjectDetection)
    return network


def save_detr(network: DetrForObjectDetection, folder: Path) -> None:
    """`model.safetensors`, `config.json` and `preprocessor_config.json`."""
    network.save_pretrained(folder)
    DetrImageProcessor(
        size={"shortest_edge": SHORT_SIDE, "longest_edge": LONG_SIDE}, resample=_BICUBIC
    ).save_pretrained(folder)


def _check(given: Mapping[str, Tensor], expected: Mapping[str, tuple[int, ...]]) -> None:
    faults = {
        "missing": sorted(expected.keys() - given.keys()),
        "not known": sorted(given.keys() - expected.keys()),
        "of another shape": [
            f"{name} {tuple(given[name].shape)} for {shape}"
            for name, shape in sorted(expected.items())
            if name in given and tuple(given[name].shape) != shape
        ],
    }
    if any(faults.values()):
        told = [f"{kind}: {', '.join(n[:SHOWN])}" for kind, n in faults.items() if n]
        raise ModelError(f"not the weights of DETR-R50: {'; '.join(told)}")
