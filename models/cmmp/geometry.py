"""What boxes alone say of a pair, as a vector of the joint space: added to q, so linear in texts.

The authors' network has no such part; it is for trainings of our own.
"""

import torch
from torch import Tensor, nn

from models.cmmp.priors import MLP
from models.geometry import FEATURES, pair_geometry


class Geometry(nn.Module):
    """(boxes of a pair, class embedding of the thing) -> a term of its pair vector."""

    mean: Tensor  # (16,) of the features of training pairs
    std: Tensor

    def __init__(self, dim: int, hidden: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(FEATURES))
        self.register_buffer("std", torch.ones(FEATURES))
        self.body = MLP(FEATURES + dim, hidden, hidden, dim)
        nn.init.zeros_(
            self.body.layers[-1].get_parameter("weight")
        )  # the network starts as one without this term
        nn.init.zeros_(self.body.layers[-1].get_parameter("bias"))

    def fit(self, features: Tensor) -> None:
        """Take mean and deviation of features (n, 16)."""
        self.mean.copy_(features.mean(0))
        self.std.copy_(features.std(0).clamp(min=1e-3))

    def forward(self, human: Tensor, thing: Tensor, embeddings: Tensor, side: int) -> Tensor:
        """Boxes (P, 4) in the S-frame and E of the things (P, D) -> (P, D)."""
        features = pair_geometry(human, thing, human.new_full((2,), side))
        out: Tensor = self.body(torch.cat([(features - self.mean) / self.std, embeddings], -1))
        return out
