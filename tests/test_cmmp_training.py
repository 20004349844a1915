"""A whole small training of CMMP on the drawn world, stopped and resumed."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from models.cmmp.instances import Instances
from models.cmmp.network import CMMP, CMMPConfig
from models.coco import CLASSES
from models.datasets.hico_facts import hico_vocabulary
from models.datasets.world import open_world
from models.errors import ModelError
from models.training.cmmp import Plan, StepReport, train_cmmp, training_prior
from models.training.cmmp_examples import CMMPExamples, Names, View, jittered_truth
from models.training.world_frames import render_frames
from models.world.truth import UNSEEN

TINY = CMMPConfig(image_size=64, patch=16, width=64, layers=2, text_width=64, text_layers=1, dim=24)
PLAN = Plan(epochs=2, batch=20, save_every=7)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    render_frames(folder, 24, on_clip=lambda _: None)
    return folder


def examples_of(clips: Path, setting: str) -> CMMPExamples:
    world, hico = open_world(clips, "train", setting), hico_vocabulary()
    verbs = {name.replace("_", " "): number for number, name in enumerate(hico.verb_names)}
    spoken = {"ball": "sports ball", "phone": "cell phone"}
    classes = {"person": 0} | {
        name: CLASSES.index(spoken.get(name, name))
        for name in world.vocabulary.objects
        if spoken.get(name, name) in CLASSES
    }
    names = Names([verbs.get(name) for name in world.vocabulary.verb_names], classes)
    return CMMPExamples(world, jittered_truth(world), names, TINY.image_size)


@pytest.fixture(scope="module")
def examples(clips: Path) -> CMMPExamples:
    return examples_of(clips, "default")


def make_model() -> CMMP:
    torch.manual_seed(3)
    return CMMP(TINY)


@pytest.fixture(scope="module")
def whole(
    examples: CMMPExamples, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, Tensor], list[StepReport]]:
    reports: list[StepReport] = []
    checkpoint = tmp_path_factory.mktemp("whole") / "training.pt"
    model = train_cmmp(make_model(), examples, checkpoint, PLAN, on_step=reports.append)
    return model.state_dict(), reports


def test_a_training_beats_its_first_losses_and_leaves_the_towers(
    examples: CMMPExamples, whole: tuple[dict[str, Tensor], list[StepReport]]
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


def test_a_killed_training_resumes_to_the_same_weights(
    examples: CMMPExamples,
    whole: tuple[dict[str, Tensor], list[StepReport]],
    tmp_path: Path,
) -> None:
    checkpoint = tmp_path / "training.pt"

    def kill(report: StepReport) -> None:
        if report.step == 10:  # three steps after it was saved
            raise Killed

    with pytest.raises(Killed):
        train_cmmp(make_model(), examples, checkpoint, PLAN, on_step=kill)
    torch.manual_seed(99)
    reports: list[StepReport] = []
    model = train_cmmp(make_model(), examples, checkpoint, PLAN, on_step=reports.append)
    assert reports[0].step == 8
    for name, weight in model.state_dict().items():
        assert torch.equal(weight, whole[0][name]), name


def test_a_checkpoint_of_another_training_is_refused(
    examples: CMMPExamples, tmp_path: Path
) -> None:
    checkpoint = tmp_path / "training.pt"
    plan = Plan(epochs=1, batch=len(examples))
    train_cmmp(make_model(), examples, checkpoint, plan)
    with pytest.raises(ModelError, match="another training"):
        train_cmmp(make_model(), examples, checkpoint, PLAN)
    checkpoint.write_bytes(b"PK")
    with pytest.raises(ModelError, match="damaged"):
        train_cmmp(make_model(), examples, checkpoint, PLAN)


def test_a_box_shows_the_same_things_in_any_view() -> None:
    picture = np.zeros((300, 400, 3), np.uint8)
    picture[100:180, 150:250] = 255
    for view in (View(0, 0, 400, 300, False), View(100, 50, 250, 200, True)):
        seen = np.asarray(view.picture(Image.fromarray(picture), 200))[..., 0] > 127
        x0, y0, x1, y1 = view.boxes(np.array([[150.0, 100, 250, 180]], np.float32))[0] * 200
        rows, columns = np.nonzero(seen)
        drawn = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)
        assert np.abs(np.array(drawn) - (x0, y0, x1, y1)).max() <= 1.5


def test_views_stay_inside_the_picture() -> None:
    rng = np.random.default_rng(0)
    views = [View.draw(rng, 640, 480) for _ in range(200)]
    assert 0.3 < np.mean([view.width < 640 or view.height < 480 for view in views]) < 0.7
    assert 0.3 < np.mean([view.mirrored for view in views]) < 0.7
    for view in views:
        assert view.left >= 0 <= view.top
        assert view.left + view.width <= 640.001
        assert view.top + view.height <= 480.001


def test_a_zero_shot_training_learns_nothing_of_unseen_pairs(
    clips: Path, examples: CMMPExamples
) -> None:
    held = examples_of(clips, "unseen_pairs")
    model = make_model().eval()
    model.encode_texts()
    verb, laptop = hico_vocabulary().verb_names.index("open"), CLASSES.index("laptop")
    assert ("open", "laptop") in UNSEEN
    boxes = torch.tensor([[5.0, 5, 30, 60], [20, 30, 30, 40]])
    instances = Instances(boxes, torch.full((2,), 0.9), torch.tensor([0, laptop]))
    (pairs,) = model(torch.zeros(1, 3, 64, 64), [instances])
    all_, seen = (training_prior(model, pairs, e.seen(80, 117)) for e in (examples, held))
    assert float(all_[0, verb]) == pytest.approx(0.81)
    assert float(seen[0, verb]) == 0
    assert int((seen > 0).sum()) == int((all_ > 0).sum()) - 1
