"""The procedural world: the same for a seed, and exactly what its truth says."""

import random
from pathlib import Path

import av
import numpy as np
import pytest

from models.world.acts import _BYSTANDERS, _bystand
from models.world.clip import write_clip
from models.world.people import Person
from models.world.render import World
from models.world.stage import Stage
from models.world.truth import ACTS, CLASSES, MOMENT_VERBS, VERBS, ClipTruth

SEEDS = range(50, 56)


def play(seed: int, seconds: float = 12.0) -> tuple[list[np.ndarray], ClipTruth]:
    world = World(seed, seconds=seconds)
    images = [image.copy() for image, _ in world.frames()]
    return images, world.truth()


@pytest.fixture(scope="module")
def clips() -> list[ClipTruth]:
    return [play(seed)[1] for seed in SEEDS]


def test_a_seed_is_a_clip() -> None:
    images, truth = play(7, 4.0)
    again, truth_again = play(7, 4.0)
    other, _ = play(8, 4.0)
    assert truth == truth_again
    assert all(np.array_equal(a, b) for a, b in zip(images, again, strict=True))
    assert not np.array_equal(images[0], other[0])


def test_skipping_frames_does_not_change_what_happens() -> None:
    every, some = World(9, seconds=6.0), World(9, seconds=6.0)
    all_frames = [truth for _, truth in every.frames()]
    few = [truth for _, truth in some.frames(every=5, phase=2)]
    assert [f.seconds for f in few] == [f.seconds for f in all_frames[2::5]]
    assert [f.pairs for f in few] == [f.pairs for f in all_frames[2::5]]
    assert every.truth().moments == some.truth().moments


def test_boxes_are_inside_the_picture_and_cover_their_pixels(clips: list[ClipTruth]) -> None:
    for clip in clips:
        for instance in (i for frame in clip.frames for i in frame.instances):
            x0, y0, x1, y1 = instance.box
            assert 0 <= x0 < x1 <= clip.width
            assert 0 <= y0 < y1 <= clip.height
            assert -0.01 <= instance.occlusion <= 1
            assert -0.01 <= instance.truncation <= 1
            assert instance.class_name in CLASSES


def test_every_frame_of_an_interval_carries_its_verb_and_its_neighbours_do_not(
    clips: list[ClipTruth],
) -> None:
    seen = 0
    for clip in clips:
        doing = {
            frame.seconds: {(p.human, p.object, v) for p in frame.pairs for v in p.verbs}
            for frame in clip.frames
        }
        times = sorted(doing)
        for interval in clip.intervals:
            key = (interval.human, interval.object, interval.verb)
            inside = [t for t in times if interval.start <= t < interval.end]
            assert inside
            assert all(key in doing[t] for t in inside)
            assert all(key not in doing[t] for t in times if t == interval.end)
            assert interval.verb not in MOMENT_VERBS
            seen += 1
    assert seen > 20


def test_a_picked_up_thing_is_held_and_a_put_down_one_is_not(clips: list[ClipTruth]) -> None:
    ups = 0
    for clip in clips:
        holds = [i for i in clip.intervals if i.verb == "hold"]
        for moment in clip.moments:
            assert 0 <= moment.seconds <= clip.frames[-1].seconds
            pair = [h for h in holds if (h.human, h.object) == (moment.human, moment.object)]
            if moment.verb == "pick up" and moment.seconds < clip.frames[-1].seconds - 0.5:
                assert any(abs(h.start - moment.seconds) < 0.2 for h in pair)
                ups += 1
            if moment.verb == "put down":
                assert any(abs(h.end - moment.seconds) < 0.2 for h in pair)
    assert ups > 3


def test_a_held_thing_is_where_its_holder_is(clips: list[ClipTruth]) -> None:
    for clip in clips:
        for frame in clip.frames:
            boxes = {i.id: i.box for i in frame.instances}
            for pair in frame.pairs:
                if "hold" in pair.verbs and pair.human in boxes and pair.object in boxes:
                    person, thing = boxes[pair.human], boxes[pair.object]
                    assert thing[0] <= person[2] + 25
                    assert thing[2] >= person[0] - 25


def test_only_acts_of_the_world_happen(clips: list[ClipTruth]) -> None:
    for clip in clips:
        names = {i.id: i.class_name for f in clip.frames for i in f.instances}
        for pair in (p for frame in clip.frames for p in frame.pairs):
            for verb in pair.verbs:
                assert verb in VERBS
                if pair.object in names and verb in ACTS:
                    assert names[pair.object] in ACTS[verb]


@pytest.mark.parametrize("name", list(_BYSTANDERS))
def test_bystanders_do_nothing(name: str) -> None:
    rng = random.Random(3)
    stage = Stage(rng, 384, 12.5)
    person = Person.make(stage.next_id(), rng, 130.0, 0.0)
    stage.people.append(person)
    for _ in _bystand(stage, person, name):
        stage.move()
        assert not stage.pairs()
    assert not stage.moments
    assert len(stage.things) == 1


def test_truth_survives_json(clips: list[ClipTruth]) -> None:
    assert ClipTruth.from_json(clips[0].to_json()) == clips[0]


def test_more_than_255_instances_are_told_apart() -> None:
    world = World(5, seconds=2.0)
    for _ in range(300):
        world._stage.next_id()
    late = world._stage.add_thing("suitcase", 130.0, 0.0)
    *_, (_, truth) = world.frames()
    (seen,) = [i for i in truth.instances if i.id == late.id]
    assert late.id > 255
    assert seen.occlusion < 1


def test_a_written_clip_decodes_to_its_frames(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    truth = write_clip(path, 12, 4.0)
    images, _ = play(12, 4.0)
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        frames = list(container.decode(stream))
        times = [float(frame.time) for frame in frames]
    assert len(frames) == len(truth.frames) == 50
    assert times == pytest.approx([frame.seconds for frame in truth.frames], abs=1e-4)
    assert (frames[0].width, frames[0].height) == (384, 288)
    error = np.abs(frames[20].to_ndarray(format="rgb24").astype(int) - images[20]).mean()
    assert error < 12
