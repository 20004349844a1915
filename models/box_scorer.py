"""Verbs from the class and the two boxes of a pair alone: a small network that sees no pixels.

Like CMMP it is linear in its verbs: logits = q @ prototypes.T with one vector q a pair, whose last
entry is 1 and so carries the bias.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from models.errors import ModelError
from models.geometry import FEATURES

_CLASS_WIDTH = 32
_HIDDEN = 256
_DROPOUT = 0.2


@dataclass(frozen=True)
class BoxScorerConfig:
    """Sizes of a box scorer."""

    classes: int  # object classes
    verbs: int
    width: int = 128  # D, the pair vector with its constant last entry


class BoxScorer(nn.Module):
    """(features, class) -> pair vector -> logits."""

    def __init__(self, config: BoxScorerConfig) -> None:
        super().__init__()
        self.config = config
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.classes = nn.Embedding(config.classes, _CLASS_WIDTH)
        self.body = nn.Sequential(
            nn.Linear(FEATURES + _CLASS_WIDTH, _HIDDEN),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
            nn.Linear(_HIDDEN, config.width - 1),
            nn.GELU(),
            nn.Dropout(_DROPOUT),
        )
        self.prototypes = nn.Parameter(torch.randn(config.verbs, config.width) * 0.05)

    def vectors(self, features: Tensor, classes: Tensor, noise: float = 0.0) -> Tensor:
        """(P, 16) geometry and (P,) class indices -> (P, D)."""
        x = (features - self.get_buffer("mean")) / self.get_buffer("std")
        if noise:
            x = x + noise * torch.randn_like(x)
        hidden = self.body(torch.cat([x, self.classes(classes)], -1))  # (P, D - 1)
        return torch.cat([hidden, torch.ones_like(hidden[:, :1])], -1)

    def forward(self, features: Tensor, classes: Tensor, noise: float = 0.0) -> Tensor:
        """Raw logits (P, V)."""
        return self.vectors(features, classes, noise) @ self.prototypes.T

    def save(self, path: Path) -> None:
        sizes = {"classes": self.config.classes, "verbs": self.config.verbs}
        metadata = {
            name: str(size) for name, size in (sizes | {"width": self.config.width}).items()
        }
        save_file({k: v.contiguous() for k, v in self.state_dict().items()}, path, metadata)

    @classmethod
    def load(cls, path: Path) -> "BoxScorer":
        try:
            with safe_open(path, "pt") as file:
                metadata = file.metadata() or {}
                state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
            scorer = cls(BoxScorerConfig(**{name: int(size) for name, size in metadata.items()}))
            scorer.load_state_dict(state)
        except (OSError, RuntimeError, SafetensorError, TypeError, ValueError) as error:
            raise ModelError(f"{path}: not a box scorer ({str(error).splitlines()[0]})") from error
        return scorer.eval()
