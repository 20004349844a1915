"""Official CMMP weights into our network; the only file that knows the official names (spec 6)."""

import re
from collections.abc import Mapping
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from models.cmmp.network import CMMP, CMMPConfig
from models.errors import ModelError

DETECTOR = "detector."
TOKENS = "clip_head.text_encoder.token_embedding.weight"
WORDS = ("clip_head.prompt_learner.token_prefix", "clip_head.prompt_learner.token_suffix")
SHOWN = 8  # names of a kind in one message

# our prefix -> the official one; the first that fits counts
PREFIXES = (
    ("clip.visual.", "clip_head.image_encoder."),
    ("clip.logit_scale", "clip_head.logit_scale"),
    ("clip.", "clip_head.text_encoder."),
    ("prompts.", "clip_head.prompt_learner."),
    ("priors.project.", "priors_downproj."),
    ("priors.project_patterns.", "priors_downproj_global."),
    ("priors.patterns", "global_prior"),
    ("priors.fusion.", "fusion_attn."),
    ("human_weight", "adapter_H_weight"),
    ("object_weight", "adapter_O_weight"),
    ("human_scale", "logit_scale_H"),
    ("object_scale", "logit_scale_O"),
    ("union_scale", "logit_scale_text"),
    ("prototypes", "adapter_union_weight"),
)
ADAPTER = re.compile(r"encoder\.adapters\.(\d+)\.(.+)")


def official_name(name: str) -> str:
    """Our parameter's name -> the official one."""
    if adapter := ADAPTER.fullmatch(name):
        index, rest = adapter.groups()
        inner = rest if rest.startswith(("down_", "up_", "scale")) else f"mhsa_layers.0.{rest}"
        inner = inner.replace(".attention.", ".multihead_attn.")
        return f"clip_head.image_encoder.transformer.resblocks.{index}.adaptermlp.{inner}"
    for ours, theirs in PREFIXES:
        if name.startswith(ours):
            return theirs + name[len(ours) :]
    raise KeyError(name)


def _dead(config: CMMPConfig) -> dict[str, tuple[int, ...]]:
    """Official entries that are no weights of ours, and their shapes."""
    block = "clip_head.image_encoder.transformer.resblocks.{}.adaptermlp.mhsa_layers.0.norm1.{}"
    rest = config.text_length - 1 - config.context
    return {
        "adapter_H_bias": (config.verbs,),
        "adapter_O_bias": (config.verbs,),
        WORDS[0]: (config.verbs, 1, config.text_width),
        WORDS[1]: (config.verbs, rest, config.text_width),
        **{
            block.format(index, kind): (config.bottleneck,)
            for index in range(config.layers)
            for kind in ("weight", "bias")
        },
    }


def clean_names(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Names without the `module.` that distributed training puts before them."""
    return {name.removeprefix("module."): tensor for name, tensor in state.items()}


def detector_state(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The DETR weights in a checkpoint, under original DETR names; perhaps none."""
    return {
        name.removeprefix(DETECTOR): tensor
        for name, tensor in clean_names(state).items()
        if name.startswith(DETECTOR)
    }


def read_state(path: Path) -> dict[str, Tensor]:
    """The state dict in a `.safetensors` file or in a file of the official training.

    Of the latter only tensors and plain containers are read, never other pickled objects.
    """
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        content: Any = torch.load(path, map_location="cpu", weights_only=True)
    except UnpicklingError as error:  # its text advises to unpickle all the same
        raise ModelError(
            f"{path}: not readable as weights (it is damaged or holds objects)"
        ) from error
    except (OSError, RuntimeError, EOFError, SafetensorError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelError(f"{path}: not readable as weights ({reason})") from error
    state = content.get("model_state_dict", content) if isinstance(content, dict) else None
    if not isinstance(state, dict) or not all(isinstance(t, Tensor) for t in state.values()):
        raise ModelError(f"{path}: holds no state dict of tensors")
    return state


def load_official(state: Mapping[str, Tensor], token_embedding: Tensor | None = None) -> CMMP:
    """An official `model_state_dict` -> a network in eval mode, its texts encoded.

    Every name and shape must fit; `detector.*` is left to `detector_state`. A token_embedding
    (49408, Wt) stands in where the checkpoint has none.
    """
    given = {k: v for k, v in clean_names(state).items() if not k.startswith(DETECTOR)}
    if token_embedding is not None:
        given.setdefault(TOKENS, token_embedding)
    config = CMMPConfig.from_state_dict(given)
    model = CMMP(config)
    live = {official_name(name): tensor for name, tensor in _weights(model).items()}
    _check(given, {**_dead(config), **{name: tuple(t.shape) for name, t in live.items()}})
    with torch.no_grad():
        for name, tensor in live.items():
            tensor.copy_(given[name])
    model.eval()
    model.encode_texts((given[WORDS[0]], given[WORDS[1]]))
    return model


def _weights(model: CMMP) -> dict[str, Tensor]:
    """Our stored tensors; the image tower is reached by one path only."""
    state = model.state_dict(keep_vars=True)
    return {name: t for name, t in state.items() if not name.startswith("encoder.visual.")}


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
        told = [f"{kind}: {_list(names)}" for kind, names in faults.items() if names]
        raise ModelError(f"not an official CMMP checkpoint: {'; '.join(told)}")


def _list(names: list[str]) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return ", ".join(names[:SHOWN]) + more
