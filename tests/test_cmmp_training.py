"""A whole small training of CMMP on the drawn world: killed, resumed, and by two processes."""

import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import supervision as sv
import torch
from tensorboardX.proto.event_pb2 import Event
from torch import Tensor
from torch import distributed as dist

from models.cmmp.instances import Instances, pair_indices
from models.cmmp.network import CMMP, CMMPConfig
from models.datasets.examples import Pairs
from models.datasets.hico_facts import hico_vocabulary
from models.datasets.vcoco import vcoco_vocabulary
from models.errors import ModelError
from models.training import cmmp_step
from models.training.checkpoints import load_checkpoint, save_checkpoint
from models.training.cmmp import Plan, StepReport, train_cmmp
from models.training.cmmp_examples import CMMPExamples, Names
from models.training.cmmp_losses import reference_prototypes
from models.training.cmmp_scalars import Scalars
from models.training.cmmp_step import training_prior
from models.training.ranks import joined_ranks
from models.training.world_frames import render_frames
from models.world.truth import UNSEEN
from tests.servers.trainer import PLAN, STILL, TINY, WORDS, make_examples, make_model, tear

ROOT = Path(__file__).parents[1]
Whole = tuple[dict[str, Tensor], list[StepReport]]


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Iterator[None]:
    """As in the processes that are started: sums in another order are other numbers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    render_frames(folder, 24, on_clip=lambda _: None)
    return folder


@pytest.fixture(scope="module")
def examples(clips: Path) -> CMMPExamples:
    return make_examples(clips)


@pytest.fixture(scope="module")
def whole(examples: CMMPExamples, tmp_path_factory: pytest.TempPathFactory) -> Whole:
    reports: list[StepReport] = []
    checkpoint = tmp_path_factory.mktemp("whole") / "training.pt"
    model = train_cmmp(make_model(), examples, checkpoint, PLAN, on_step=reports.append)
    return model.state_dict(), reports


def start(clips: Path, checkpoint: Path, *more: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.servers.trainer", str(clips), str(checkpoint)]
    if more:
        torchrun = ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
        command[1:1] = torchrun
    environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [*command, *more], stdout=subprocess.PIPE, text=True, env=environment, cwd=ROOT
    )


def test_a_training_beats_its_first_losses_and_leaves_the_towers(
    examples: CMMPExamples, whole: Whole
) -> None:
    weights, reports = whole
    assert len(examples) >= 200
    assert len(reports) == reports[-1].steps == 2 * (len(examples) // PLAN.batch)
    losses = [report.interaction + report.language for report in reports]
    assert np.mean(losses[-5:]) < 0.9 * np.mean(losses[:2])
    before = make_model().state_dict()
    changed = {name for name in weights if not torch.equal(weights[name], before[name])}
    assert not any(name.startswith(("clip.", "encoder.visual.")) for name in changed)
    assert {"human_weight", "prompts.ctx", "priors.patterns"} <= changed
    assert "geometry.mean" not in changed  # the scale of the boxes is whose term of boxes it is


def test_a_training_killed_in_the_middle_resumes_to_the_same_weights(
    clips: Path, examples: CMMPExamples, whole: Whole, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "training.pt"
    process = start(clips, checkpoint)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line.split()[0]) == 10:  # three steps after it was saved
            process.send_signal(signal.SIGKILL)
            break
    assert process.wait() == -signal.SIGKILL
    torch.manual_seed(99)
    reports: list[StepReport] = []
    model = train_cmmp(make_model(), examples, checkpoint, PLAN, on_step=reports.append)
    assert reports[0].step == 8
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, whole[0][name]), name


def test_two_processes_learn_what_one_does_with_the_same_images(
    clips: Path, examples: CMMPExamples, tmp_path: Path
) -> None:
    process = start(clips, tmp_path / "two.pt", "--still")
    told, _ = process.communicate(timeout=200)
    assert process.returncode == 0
    reports: list[StepReport] = []
    alone = make_model(still=True)
    train_cmmp(alone, tear(examples), tmp_path / "one.pt", STILL, on_step=reports.append)
    lines = {tuple(line.split()) for line in told.splitlines()}  # of both, and they agree
    assert len(lines) == len(reports)
    assert reports[-1].unreadable > 1
    for step, loss, positives, unreadable in lines:
        report = reports[int(step) - 1]
        assert float(loss) == pytest.approx(report.interaction, rel=1e-3)
        assert float(positives) == report.positives
        assert int(unreadable) == report.unreadable
    two = torch.load(tmp_path / "two.pt", weights_only=True)["learned"]
    moved = alone.state_dict()
    first = make_model().state_dict()
    for name, weight in two.items():
        furthest = (moved[name] - first[name]).abs().max()
        assert (weight - moved[name]).abs().max() <= 0.05 * furthest + 1e-6, name


class Relabelled:
    """A data set in one of whose pictures something else is done now."""

    def __init__(self, examples: CMMPExamples) -> None:
        self._whole = examples.dataset
        self.vocabulary, self.keys = self._whole.vocabulary, self._whole.keys
        self.image = self._whole.image

    def pairs(self, index: int) -> Pairs:
        pairs = self._whole.pairs(index)
        return replace(pairs, verbs=1 - pairs.verbs.clip(max=1)) if index == 3 else pairs


@pytest.mark.skipif(not hasattr(os, "sched_getaffinity"), reason="loaders fork on Linux alone")
@pytest.mark.parametrize(("given", "taken"), [("1", 4), ("3", 1)])
def test_processes_of_torchrun_share_the_processors(
    given: str, taken: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(9)))
    for name in ("init_process_group", "destroy_process_group"):
        monkeypatch.setattr(dist, name, lambda *_, **__: None)
    monkeypatch.setattr(dist, "get_rank", lambda: 1)
    monkeypatch.setattr(dist, "get_world_size", lambda: 4)
    places = {"WORLD_SIZE": "4", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "0"}
    for name, value in (places | {"OMP_NUM_THREADS": given}).items():
        monkeypatch.setenv(name, value)
    with joined_ranks() as ranks:
        assert (ranks.rank, ranks.count) == (1, 4)
        try:
            assert torch.get_num_threads() == taken
        finally:
            torch.set_num_threads(1)


def test_a_checkpoint_of_another_training_is_refused(
    examples: CMMPExamples, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "training.pt"
    few, fewer = (replace(examples, rows=np.arange(count)) for count in (9, 8))
    plan = Plan(epochs=1, batch=5)
    train_cmmp(make_model(), few, checkpoint, plan)
    for other, of in (
        (few, replace(plan, rate=1e-4)),
        (fewer, plan),
        (replace(few, boxes_of="another detector"), plan),
        (replace(few, dataset=Relabelled(few)), plan),
    ):
        with pytest.raises(ModelError, match="another training"):
            train_cmmp(make_model(), other, checkpoint, of)
    foreign = make_model()
    torch.nn.init.ones_(foreign.clip.visual.conv1.weight)
    with pytest.raises(ModelError, match="another training"):
        train_cmmp(foreign, few, checkpoint, plan)
    checkpoint.write_bytes(b"PK")
    with pytest.raises(ModelError, match="damaged"):
        train_cmmp(make_model(), few, checkpoint, plan)


def test_a_checkpoint_of_a_gpu_is_read_without_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.serialization, "location_tag", lambda _: "cuda:0")
    save_checkpoint(tmp_path / "a.pt", {"weights": torch.arange(3.0)}, {"seed": 1})
    state = load_checkpoint(tmp_path / "a.pt", {"seed": 1})
    assert state is not None
    assert state["weights"].device.type == "cpu"
    assert state["weights"].tolist() == [0, 1, 2]


def test_a_training_goes_on_where_the_towers_run_in_another_format(
    examples: CMMPExamples, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    few, plan = replace(examples, rows=np.arange(8)), Plan(epochs=1, batch=4, save_every=1)
    formats = iter((torch.float32, torch.float16))
    monkeypatch.setattr(cmmp_step, "choose_training_dtype", lambda _: next(formats))
    reports: list[StepReport] = []

    def stop(report: StepReport) -> None:
        reports.append(report)
        if report.step == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_cmmp(make_model(), few, tmp_path / "a.pt", plan, on_step=stop)
    train_cmmp(make_model(), few, tmp_path / "a.pt", plan, on_step=reports.append)
    assert [report.step for report in reports] == [1, 2, 2]
    assert np.isfinite([report.interaction for report in reports]).all()


def blind_to(examples: CMMPExamples, rows: Collection[int]) -> CMMPExamples:
    """Nothing is detected in some pictures."""

    def candidates(row: int, rng: np.random.Generator) -> sv.Detections:
        found = examples.candidates(row, rng)
        seen = found[: 0 if row in rows else len(found)]
        assert isinstance(seen, sv.Detections)
        return seen

    return replace(examples, candidates=candidates)


def test_unreadable_images_are_counted_and_a_training_goes_on(clips: Path, tmp_path: Path) -> None:
    some = replace(make_examples(clips), rows=np.arange(8))
    plan, reports = Plan(epochs=1, batch=4), list[StepReport]()
    torn = tear(some, {1, 2})
    train_cmmp(make_model(), torn, tmp_path / "a.pt", plan, on_step=reports.append)
    assert reports[-1].unreadable == 2
    assert set(torn.skipped.reasons) == set(some.dataset.keys[1:3])


def test_a_training_that_is_shown_nothing_ends_and_keeps_nothing(
    examples: CMMPExamples, tmp_path: Path
) -> None:
    few, checkpoint = replace(examples, rows=np.arange(9)), tmp_path / "a.pt"
    plan = Plan(epochs=2, batch=4, save_every=1)  # the ninth is not read in the first epoch
    torn = tear(few, range(9))
    torn.skipped.add("another.jpg", "was met by the detector")
    with pytest.raises(ModelError, match=r"a thing; 8 cannot be read, the first: .*torn"):
        train_cmmp(make_model(), torn, checkpoint, plan)
    with pytest.raises(ModelError, match=r"person with a thing$"):
        train_cmmp(make_model(), blind_to(few, range(9)), checkpoint, plan)
    assert not checkpoint.exists()


def test_the_rate_falls_and_scalars_go_on_after_a_resumption(
    examples: CMMPExamples, tmp_path: Path
) -> None:
    few = replace(examples, rows=np.arange(8))
    plan = Plan(epochs=3, batch=4, drop_every=2, save_every=1)

    def train(until: int) -> None:
        scalars = Scalars(tmp_path / "scalars")

        def on_step(report: StepReport) -> None:
            scalars(report)
            if report.step == until:
                raise KeyboardInterrupt

        try:
            train_cmmp(make_model(), few, tmp_path / "a.pt", plan, on_step=on_step)
        finally:
            scalars.close()

    with pytest.raises(KeyboardInterrupt):
        train(3)
    train(0)
    rates = {}
    for path in sorted((tmp_path / "scalars").iterdir()):
        for event in read_events(path):
            values = {value.tag: value.simple_value for value in event.summary.value}
            if "learning_rate" in values:
                rates[event.step] = values["learning_rate"]
    assert sorted(rates) == [1, 2, 3, 4, 5, 6]
    assert rates[4] == pytest.approx(1e-3)
    assert rates[5] == pytest.approx(1e-4)


def read_events(path: Path) -> Iterator[Event]:
    """TensorBoard's records: length, its checksum, event, its checksum."""
    content, place = path.read_bytes(), 0
    while place < len(content):
        length = int.from_bytes(content[place : place + 8], "little")
        yield Event.FromString(content[place + 12 : place + 12 + length])
        place += 16 + length


def test_a_zero_shot_training_learns_nothing_of_unseen_pairs(
    clips: Path, examples: CMMPExamples
) -> None:
    held = make_examples(clips, "unseen_pairs")
    model = make_model().eval()
    carry = WORDS.verb_names.index("carry")
    assert ("carry", "box") in UNSEEN
    boxes = torch.tensor([[5.0, 5, 30, 60], [20, 30, 30, 40]])
    box = torch.tensor([0, 1 + WORDS.objects.index("box")])
    instances, pairing = Instances(boxes, torch.full((2,), 0.9), box), pair_indices(1, 2)
    sizes = model.validity.shape
    all_, seen = (
        training_prior(model, instances, pairing, each.seen(*sizes)) for each in (examples, held)
    )
    assert float(all_[0, carry]) == pytest.approx(0.81)
    assert float(seen[0, carry]) == 0
    hidden = sum(thing == "box" for _, thing in UNSEEN)
    assert int((seen > 0).sum()) == int((all_ > 0).sum()) - hidden


def test_free_prototypes_start_as_their_sentences_and_are_learned(
    examples: CMMPExamples, tmp_path: Path
) -> None:
    words = vcoco_vocabulary()
    sizes = replace(TINY, verbs=24, free_prototypes=True, geometry=0)
    torch.manual_seed(0)
    model = CMMP(sizes)
    names = Names.between(examples.dataset.vocabulary, words)
    few = replace(examples, names=names, rows=np.arange(40))
    references = reference_prototypes(model)
    before = model.prompts.ctx.clone()
    reports: list[StepReport] = []
    plan = Plan(epochs=1, batch=20)
    train_cmmp(model, few, tmp_path / "a.pt", plan, on_step=reports.append)
    moved = (model.prototypes - references).abs().max()
    assert 0 < moved < 3 * 2 * plan.rate  # two steps of AdamW
    assert torch.equal(model.prompts.ctx, before)
    assert [report.language for report in reports] == [0, 0]


def test_free_prototypes_bear_a_step_that_shows_no_pair(
    examples: CMMPExamples, tmp_path: Path
) -> None:
    torch.manual_seed(0)
    model = CMMP(replace(TINY, verbs=24, free_prototypes=True, geometry=0))
    names = Names.between(examples.dataset.vocabulary, vcoco_vocabulary())
    few = replace(blind_to(examples, {0, 2}), names=names, rows=np.arange(4))
    reports: list[StepReport] = []
    train_cmmp(model, few, tmp_path / "a.pt", Plan(epochs=1, batch=1), on_step=reports.append)
    assert len(reports) == 4
    assert sum(report.interaction == 0 for report in reports) >= 2


def test_a_network_of_another_vocabulary_takes_what_it_knows(examples: CMMPExamples) -> None:
    hico = hico_vocabulary()
    names = Names.between(examples.dataset.vocabulary, hico)
    kick = examples.dataset.vocabulary.verb_names.index("kick")
    assert names.verbs[kick] == hico.verb_names.index("kick")
    assert names.classes["person"] == 0
    assert CMMPConfig().verbs == len(hico.verbs)
