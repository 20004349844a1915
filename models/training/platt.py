"""Platt scaling: a verb's raw logits to log-odds that can be believed."""

import torch
from torch import Tensor
from torch.nn import functional

from models.bundle import Calibration

FEWEST = 20  # positives below which a verb's own scale would be a guess
_FLATTEST = 0.05  # least scale: evidence never turns against the network


def platt(logits: Tensor, labels: Tensor) -> Calibration:
    """Logits (n,) and labels (n,) 0 or 1 of pairs that were not trained on."""
    parameters = torch.tensor([1.0, 0.0], requires_grad=True)
    optimiser = torch.optim.LBFGS([parameters], max_iter=100, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = functional.binary_cross_entropy_with_logits(
            parameters[0] * logits + parameters[1], labels
        )
        torch.autograd.backward(loss)
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    scale, bias = parameters.detach().tolist()
    return Calibration(scale=round(max(scale, _FLATTEST), 4), bias=round(bias, 4))
