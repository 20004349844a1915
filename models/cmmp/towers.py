"""CLIP's two towers as others publish them, into a CMMP."""

from collections.abc import Mapping
from pathlib import Path

import open_clip
from torch import Tensor

from models.cmmp.checkpoint import read_state
from models.cmmp.network import CMMP
from models.errors import ModelError


def set_towers(model: CMMP, state: Mapping[str, Tensor]) -> None:
    """Every name and shape must fit."""
    try:
        model.clip.load_state_dict(state)
    except RuntimeError as error:
        faults = " ".join(str(error).split())[:300]
        raise ModelError(f"not weights of this CLIP ({faults})") from error


def read_towers(architecture: str, weights: str) -> dict[str, Tensor]:
    """`weights`: a file in open_clip's names, or a tag of the hub (openai): fetched, then cached.

    Raises `ModelError` in one line, also where there is no network.
    """
    if Path(weights).is_file():
        state = read_state(Path(weights))
        return {name.removeprefix("module."): tensor.float() for name, tensor in state.items()}
    tags = open_clip.list_pretrained_tags_by_model(architecture)
    if weights not in tags:
        known = ", ".join(tags) or "none"
        raise ModelError(f"CLIP {architecture}:{weights}: no such file, nor tag ({known})")
    try:
        network = open_clip.create_model(architecture, pretrained=weights, weights_only=True)
    except Exception as error:  # the hub's library raises other errors in every version
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ModelError(f"CLIP {architecture}:{weights} cannot be fetched: {reason}") from error
    fetched: dict[str, Tensor] = network.state_dict()
    return fetched
