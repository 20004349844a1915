"""Training of CMMP's own weights on frozen CLIP towers (spec 3): killed and resumed at will.

Order, augmentation and dropout of a step follow from the seed and the step alone, so a resumed
training ends at the same weights as one that was never stopped. Started by `torchrun`, every rank
takes its share of each batch.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from models.cmmp.network import CMMP
from models.device import choose_device
from models.errors import ModelError
from models.training.checkpoints import load_checkpoint, save_checkpoint
from models.training.cmmp_batches import Batch, join_examples
from models.training.cmmp_examples import CMMPExamples, Example
from models.training.cmmp_step import Losses
from models.training.loading import load_ahead
from models.training.ranks import Ranks

_DECAY = 1e-4
_CLIP_NORM = 0.1
_FROZEN = ("clip.", "encoder.visual.")


@dataclass(frozen=True)
class Plan:
    """What a training is; a checkpoint of another plan is refused. The defaults are the paper's."""

    epochs: int = 15
    batch: int = 16  # images of a step, of all ranks together
    seed: int = 0
    rate: float = 1e-3
    drop_every: int = 10  # epochs after which the rate falls to a tenth
    mixed: bool = True  # towers in 16 bits where the device has such in hardware
    still: tuple[str, ...] = ()  # starts of the names of weights that are not learned
    save_every: int = 200  # steps


@dataclass(frozen=True)
class StepReport:
    """One step, from 1; numbers of all ranks."""

    step: int
    steps: int
    interaction: float
    language: float
    rate: float
    positives: float  # cells: pairs times verbs
    unreadable: int  # images so far


def train_cmmp(
    model: CMMP,
    examples: CMMPExamples,
    checkpoint: Path,
    plan: Plan,
    *,
    ranks: Ranks | None = None,
    on_step: Callable[[StepReport], None] = lambda _: None,
) -> CMMP:
    """Train in place; goes on from `checkpoint` if there is one. Towers stay as they are.

    Raises ModelError for fewer examples than a batch, after an epoch of pictures that show no pair
    or cannot be read, and for a checkpoint that is damaged or of another training.
    """
    if len(examples) < plan.batch:
        raise ModelError(f"a training needs at least {plan.batch} images, not {len(examples)}")
    run = _Run(model.to(choose_device()), examples, checkpoint, plan, ranks or Ranks())
    run.resume()
    with closing(load_ahead(run.make, run.requests())) as batches:
        for batch in batches:
            on_step(run.advance(batch))
            if run.step % plan.save_every == 0 or run.step == run.steps:
                run.save()
    model.encode_texts()
    return model.eval()


@dataclass(frozen=True)
class _Request:
    row: int  # of the examples
    step: int
    place: int  # in the batch


def _digest(tensors: Iterable[Tensor]) -> str:
    content = hashlib.sha256()
    for tensor in tensors:
        content.update(tensor.detach().cpu().numpy().tobytes())
    return content.hexdigest()[:16]


class _Run:
    def __init__(
        self, model: CMMP, examples: CMMPExamples, checkpoint: Path, plan: Plan, ranks: Ranks
    ) -> None:
        self._model, self._examples, self._plan, self._ranks = model, examples, plan, ranks
        self._checkpoint = checkpoint
        model.requires_grad_(True).train()
        model.clip.requires_grad_(False).eval()
        if model.config.free_prototypes:  # no sentence is heard
            model.prompts.requires_grad_(False)
        for name, weight in model.named_parameters():
            if name.startswith(plan.still):
                weight.requires_grad_(False)
        self._learned = [weight for weight in model.parameters() if weight.requires_grad]
        self._optimiser = torch.optim.AdamW(self._learned, plan.rate, weight_decay=_DECAY)
        seen = examples.seen(*model.validity.shape)
        self._losses = Losses(model, seen, ranks, mixed=plan.mixed)
        scaled = self._losses.dtype == torch.float16
        self._scaler = torch.amp.GradScaler(model.human_weight.device.type, enabled=scaled)
        self._per_epoch = len(examples) // plan.batch
        self.step, self.steps = 0, self._per_epoch * plan.epochs
        self._unreadable: dict[str, str] = {}  # reasons, by key
        self._shown = False  # a pair, to any rank
        self._identity = {name: v for name, v in asdict(plan).items() if name != "save_every"}
        self._identity |= {"images": examples.digest, "sizes": repr(model.config)}
        towers = model.clip.state_dict().values()
        self._identity |= {"seen": _digest([seen]), "towers": _digest(towers)}

    def requests(self) -> Iterator[Sequence[_Request]]:
        """This rank's share of every step that is left."""
        for step in range(self.step, self.steps):
            epoch, place = divmod(step, self._per_epoch)
            order = np.random.default_rng([self._plan.seed, epoch]).permutation(len(self._examples))
            rows = order[place * self._plan.batch :][: self._plan.batch]
            yield self._ranks.share([_Request(int(row), step, i) for i, row in enumerate(rows)])

    def make(self, requests: Sequence[_Request]) -> Batch:
        """By another process: unreadable pictures are told by the batch."""
        made, unreadable = [], {}
        for one in requests:
            try:
                made.append(self._example(one))
            except ModelError as error:
                unreadable[self._examples.key(one.row)] = str(error)
        return join_examples(made, len(self._model.prototypes), unreadable)

    def _example(self, request: _Request) -> Example:
        rng = np.random.default_rng([self._plan.seed, request.step, request.place])
        return self._examples.example(request.row, rng)

    def advance(self, batch: Batch) -> StepReport:
        rng = np.random.default_rng([self._plan.seed, self.step, self._ranks.rank, 1])
        torch.manual_seed(int(rng.integers(2**31)))  # dropout
        rate = self._plan.rate * 0.1 ** (self.step // self._per_epoch // self._plan.drop_every)
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        interaction, language, positives = self._losses(batch)
        self._optimiser.zero_grad()
        loss = self._scaler.scale(interaction + language)
        if loss.requires_grad:  # free prototypes hear nothing of pictures without a pair
            torch.autograd.backward(loss)
        self._ranks.average_gradients(self._learned)
        self._scaler.unscale_(self._optimiser)
        nn.utils.clip_grad_norm_(self._learned, _CLIP_NORM)
        self._scaler.step(self._optimiser)
        self._scaler.update()
        self.step += 1
        return self._report(batch, torch.stack([interaction, language]).detach(), positives, rate)

    def _report(self, batch: Batch, losses: Tensor, positives: float, rate: float) -> StepReport:
        """Of all ranks. Raises ModelError where an epoch has shown nothing."""
        counts = losses.new_tensor([positives, len(batch.unreadable), len(batch.counts)])
        mean = self._ranks.mean(torch.cat([losses, counts])).tolist()
        interaction, language, positives, unreadable, pictures = mean
        if unreadable:
            self._note_unreadable(batch)
        self._shown = self._shown or pictures > 0
        if not self._shown and self.step % self._per_epoch == 0:
            raise self._nothing_shown()
        cells, count = positives * self._ranks.count, len(self._unreadable)
        return StepReport(self.step, self.steps, interaction, language, rate, cells, count)

    def _note_unreadable(self, batch: Batch) -> None:
        """Of all ranks' batches; the first one tells."""
        new = self._ranks.union(batch.unreadable)
        self._unreadable |= new
        if self._ranks.first:
            for key, reason in new.items():
                self._examples.skipped.add(key, reason)

    def _nothing_shown(self) -> ModelError:
        reasons = list(self._unreadable.values())
        why = f"; {len(reasons)} cannot be read, the first: {reasons[0]}" if reasons else ""
        return ModelError(f"no image of an epoch shows a person with a thing{why}")

    def save(self) -> None:
        if not (self._ranks.first and self._shown):  # nothing is learned yet
            return
        state = {
            "learned": self._own(),
            "optimiser": self._optimiser.state_dict(),
            "scaler": self._scaler.state_dict(),
            "step": self.step,
        }
        self._checkpoint.parent.mkdir(parents=True, exist_ok=True)
        save_checkpoint(self._checkpoint, state, self._identity)

    def resume(self) -> None:
        self._ranks.wait()  # nobody looks while the first one of an earlier training still writes
        state = load_checkpoint(self._checkpoint, self._identity)
        if state is None:
            self._begin()
            return
        self._model.load_state_dict(state["learned"], strict=False)
        self._optimiser.load_state_dict(state["optimiser"])
        if state["scaler"]:  # it may come from a device that needs none
            self._scaler.load_state_dict(state["scaler"])
        self.step, self._shown = int(state["step"]), True

    def _own(self) -> dict[str, Tensor]:
        """Weights and stored scales without the towers."""
        state = self._model.state_dict()
        return {name: value for name, value in state.items() if not name.startswith(_FROZEN)}

    @torch.no_grad()
    def _begin(self) -> None:
        """V-COCO's prototypes start as their sentences; all ranks start as the first one."""
        model = self._model
        if model.config.free_prototypes:
            model.prototypes.copy_(self._losses.references)
        self._ranks.follow_first(self._own().values())
