"""What a training of CMMP is shown: pieces of pictures, and boxes as a detector might give them."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.datasets.world import WorldFrames, open_world
from models.training.cmmp_calibration import hold_out
from models.training.cmmp_candidates import jittered_truth, world_candidates
from models.training.cmmp_examples import View
from models.training.cmmp_losses import label_pairs
from models.training.world_frames import render_frames
from models.world.truth import UNSEEN
from tests.servers.trainer import WORDS, make_examples, make_model


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("world")
    render_frames(folder, 4, on_clip=lambda _: None)
    return folder


@pytest.fixture(scope="module")
def world(clips: Path) -> WorldFrames:
    return open_world(clips, "train", "default")


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


def test_candidates_of_the_world_are_all_that_is_visible(world: WorldFrames) -> None:
    annotated, all_ = jittered_truth(world), world_candidates(world)
    strangers = 0
    for index in range(len(world.keys)):
        few, many = (each(index, np.random.default_rng(0)) for each in (annotated, all_))
        boxes, names = world.visible(index)
        assert list(many.data["class_name"]) == names
        sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
        assert (np.abs(many.xyxy - boxes) <= 0.3 * sides + 1e-3).all()
        assert many.confidence is not None
        assert ((many.confidence >= 0.5) & (many.confidence <= 1)).all()
        strangers += len(many) - len(few)
    assert strangers > len(world.keys)  # more than one a frame that nobody uses


def test_a_person_beside_an_unused_thing_is_a_negative(clips: Path) -> None:
    examples, model = make_examples(clips), make_model()
    unused = 0
    for index in range(0, len(examples), 3):
        one = examples.example(index, np.random.default_rng(index), plain=True)
        pairing = model.pool(model.human_weight.new_zeros(24, 4, 4), one.instances).pairing
        labels = label_pairs(one.instances, pairing, one.truth, len(WORDS.verbs))
        things = one.instances.labels[pairing[1]] > 0
        assert labels.any()
        unused += int((labels[things].sum(1) == 0).sum())
    assert unused > 20


def test_frames_with_nothing_but_unseen_pairs_leave_the_zero_shot_training(clips: Path) -> None:
    whole, seen = (open_world(clips, "train", name) for name in ("default", "unseen_pairs"))

    def pairs(world: WorldFrames, index: int) -> set[tuple[str, str]]:
        found = world.pairs(index)
        return {
            (WORDS.verb_names[v], WORDS.objects[c])
            for v, c in zip(found.verbs, found.object_classes, strict=True)
        }

    left = {key for i, key in enumerate(whole.keys) if pairs(whole, i) - UNSEEN}
    assert left < set(whole.keys)
    assert set(seen.keys) == left
    assert not any(pairs(seen, i) & UNSEEN for i in range(len(seen.keys)))


def test_pictures_for_calibration_share_no_clip_with_the_training() -> None:
    class Keys:
        vocabulary = WORDS
        keys = tuple(f"{clip}:{frame}" for clip in range(50) for frame in range(12))

    trained, held_out = hold_out(Keys(), 0)  # type: ignore[arg-type]
    assert sorted([*trained, *held_out]) == list(range(600))
    assert len(held_out) == 36  # whole clips until 5 % of the pictures are reached
    assert not {row // 12 for row in trained} & {row // 12 for row in held_out}
