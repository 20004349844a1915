"""Training of CMMP's own weights on frozen CLIP towers (spec 3): killed and resumed at will.

Order, augmentation and dropout of a step follow from the seed and the step alone, so a resumed
training ends at the same weights as one that was never stopped.
"""

import pickle
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from models.cmmp.network import CMMP, Pairs
from models.errors import ModelError
from models.training.cmmp_examples import CMMPExamples, Example
from models.training.cmmp_losses import (
    interaction_loss,
    label_pairs,
    language_loss,
    reference_prototypes,
)

_RATE, _DECAY = 1e-3, 1e-4
_CLIP_NORM = 0.1
_DROP_EVERY = 10  # epochs after which the rate falls to a tenth


@dataclass(frozen=True)
class Plan:
    """What a training is; a checkpoint of another plan is refused."""

    epochs: int
    batch: int = 16
    seed: int = 0
    save_every: int = 200  # steps


@dataclass(frozen=True)
class StepReport:
    """One step, from 1."""

    step: int
    steps: int
    interaction: float
    language: float


def train_cmmp(
    model: CMMP,
    examples: CMMPExamples,
    checkpoint: Path,
    plan: Plan,
    *,
    on_step: Callable[[StepReport], None] = lambda _: None,
) -> CMMP:
    """Train in place; goes on from `checkpoint` if there is one. Towers stay as they are.

    Raises ModelError for fewer examples than a batch, and for a checkpoint that is damaged or of
    another training.
    """
    if len(examples) < plan.batch:
        raise ModelError(f"a training needs at least {plan.batch} images, not {len(examples)}")
    run = _Run(model, examples, checkpoint, plan)
    run.resume()
    while run.step < run.steps:
        on_step(run.advance())
        if run.step % plan.save_every == 0 or run.step == run.steps:
            run.save()
    model.encode_texts()
    return model.eval()


def training_prior(model: CMMP, pairs: Pairs, seen: Tensor) -> Tensor:
    """(P, V): product of both scores where the verb is valid and seen; no other cell is learned,
    neither as a yes nor as a no (spec 3)."""
    labels = pairs.instances.labels[pairs.pairing[1]]
    return model.prior(pairs.instances, pairs.pairing, 1.0) * seen[labels]


class _Run:
    def __init__(self, model: CMMP, examples: CMMPExamples, checkpoint: Path, plan: Plan) -> None:
        self._model, self._examples, self._plan = model.train(), examples, plan
        self._checkpoint = checkpoint
        model.requires_grad_(True)
        model.clip.requires_grad_(False)
        model.clip.eval()
        self._learned = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._optimiser = torch.optim.AdamW(self._learned.values(), _RATE, weight_decay=_DECAY)
        self._per_epoch = len(examples) // plan.batch
        self.step, self.steps = 0, self._per_epoch * plan.epochs
        self._seen = examples.seen(*model.validity.shape)
        model.encode_texts()
        self._references = reference_prototypes(model)
        self._identity = {
            "epochs": plan.epochs,
            "batch": plan.batch,
            "seed": plan.seed,
            "images": len(examples),
        }

    def advance(self) -> StepReport:
        epoch, place = divmod(self.step, self._per_epoch)
        seed = self._plan.seed
        rng = np.random.default_rng([seed, self.step, 1])
        order = np.random.default_rng([seed, epoch]).permutation(len(self._examples))
        rows = order[place * self._plan.batch :][: self._plan.batch]
        batch = [self._examples.example(int(row), rng) for row in rows]
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        for group in self._optimiser.param_groups:
            group["lr"] = _RATE * 0.1 ** (epoch // _DROP_EVERY)
        interaction, language = self._losses(batch)
        self._optimiser.zero_grad()
        torch.autograd.backward(interaction + language)
        nn.utils.clip_grad_norm_(self._learned.values(), _CLIP_NORM)
        self._optimiser.step()
        self.step += 1
        return StepReport(self.step, self.steps, interaction.item(), language.item())

    def _losses(self, batch: list[Example]) -> tuple[Tensor, Tensor]:
        model = self._model
        if model.config.free_prototypes:
            prototypes = model.prototypes
        else:
            prototypes = model.encode_prompts(model.sentences.verbs)
        found = model(torch.stack([one.image for one in batch]), [one.instances for one in batch])
        logits, priors, labels = [], [], []
        for pairs, one in zip(found, batch, strict=True):
            logits.append(pairs.vectors @ prototypes.T)
            priors.append(training_prior(model, pairs, self._seen))
            labels.append(
                label_pairs(pairs.instances, pairs.pairing, one.truth, model.config.verbs)
            )
        interaction = interaction_loss(torch.cat(logits), torch.cat(priors), torch.cat(labels))
        return interaction, language_loss(prototypes, self._references)

    def save(self) -> None:
        learned = {name: value.detach() for name, value in self._learned.items()}
        state = {"learned": learned, "optimiser": self._optimiser.state_dict(), "step": self.step}
        partial = self._checkpoint.with_suffix(".part")
        torch.save(state | {"plan": self._identity}, partial)
        partial.replace(self._checkpoint)

    def resume(self) -> None:
        if not self._checkpoint.exists():
            return
        try:
            state: dict[str, Any] = torch.load(self._checkpoint, weights_only=True)
            other = state["plan"] != self._identity
            other |= state["learned"].keys() != self._learned.keys()
        except (RuntimeError, pickle.UnpicklingError, EOFError, KeyError, OSError) as error:
            raise ModelError(f"{self._checkpoint} is damaged; delete it to start again") from error
        if other:
            raise ModelError(f"{self._checkpoint} is of another training; delete it to start again")
        self._model.load_state_dict(state["learned"], strict=False)
        self._optimiser.load_state_dict(state["optimiser"])
        self.step = int(state["step"])
