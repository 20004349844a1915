"""Checkpoints of a training: written whole or not at all, read by the training they are of."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from models.errors import ModelError


def save_checkpoint(path: Path, state: Mapping[str, Any], plan: Mapping[str, Any]) -> None:
    """Tensors and plain values; `plan` is what makes this training another one than others."""
    partial = path.with_suffix(".part")
    torch.save({**state, "plan": dict(plan)}, partial)
    partial.replace(path)


def load_checkpoint(path: Path, plan: Mapping[str, Any]) -> dict[str, Any] | None:
    """What was saved, its tensors on the CPU; None where there is nothing.

    Nothing is unpickled but tensors and values, so it is read on another machine too.
    Raises ModelError for a checkpoint that is damaged or of another plan.
    """
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        other = state["plan"] != dict(plan)
    except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, OSError) as error:
        raise ModelError(f"{path} is damaged; delete it to start again") from error
    if other:
        raise ModelError(f"{path} is of another training; delete it to start again")
    return state
