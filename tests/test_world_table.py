"""The table of zero-shot rows: what is silent says nothing, and what is hidden is not learned."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from models.bundle import load_bundle
from models.datasets.world import SETTINGS, WorldFrames, world_vocabulary
from models.evaluation.precision import area_ap
from models.evaluation.world_pairs import ScoredPairs, zero_shot
from models.training.world_clip import make_world_clip
from models.training.world_cmmp import (
    WorldPlan,
    fit_geometry,
    make_world_cmmp,
    train_world_cmmp,
)
from models.training.world_frames import read_clip, render_frames
from models.training.world_pairs import world_pairs
from models.training.world_parts import LEARNED, clips_with_enough
from models.training.world_table import Bench, zero_shot_table
from models.world.truth import CLASSES, UNSEEN_VERBS, VERBS
from stream.cli import main

HOLD, KICK = VERBS.index("hold"), VERBS.index("kick")
CUP = CLASSES.index("cup") - 1


@pytest.fixture(scope="module")
def clips(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return render_frames(tmp_path_factory.mktemp("frames"), 5, on_clip=lambda _: None)


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_a_clip_drawn_twice_counts_as_if_its_pairs_were_there_twice(data: st.DataObject) -> None:
    count = data.draw(st.integers(3, 12))
    hits = data.draw(st.lists(st.booleans(), min_size=count, max_size=count))
    scores = data.draw(st.lists(st.integers(0, 4), min_size=count, max_size=count))
    clips = np.sort(data.draw(st.lists(st.integers(0, 2), min_size=count, max_size=count)))
    logits = np.zeros((count, len(VERBS)), np.float32)
    labels = np.zeros((count, len(VERBS)), bool)
    logits[:, HOLD], labels[:, HOLD] = scores, hits
    pairs = ScoredPairs(logits, labels, np.full(count, CUP), np.asarray(clips, np.int64))
    report = zero_shot([pairs], draws=200)
    if sum(hits) < 2:
        assert np.isnan(report.seen)
        return
    drawn = []
    rng = np.random.default_rng(0)
    most = int(max(clips)) + 1
    for _ in range(200):
        times = np.bincount(rng.integers(most, size=most), minlength=most)[clips]
        again = np.repeat(np.arange(count), times)
        found = labels[again, HOLD]
        drawn.append(area_ap(logits[again, HOLD], found, int(found.sum())))
    assert report.seen == pytest.approx(area_ap(logits[:, HOLD], labels[:, HOLD], sum(hits)))
    if not np.isnan(drawn).all():
        assert report.intervals[0] == pytest.approx(np.nanpercentile(drawn, (2.5, 97.5)))


def test_whole_verbs_can_be_hidden(clips: list[Path]) -> None:
    hidden = SETTINGS["unseen_verbs"]
    world = WorldFrames(clips, "unseen_verbs")
    ride = VERBS.index("ride")
    assert {verb for verb, _ in hidden} == set(UNSEEN_VERBS)
    assert not any(ride in allowed for allowed in world.vocabulary.allowed)
    assert any(ride in allowed for allowed in world_vocabulary().allowed)
    told = {VERBS[v] for row in range(len(world.keys)) for v in world.pairs(row).verbs}
    assert told
    assert not told & set(UNSEEN_VERBS)


def test_clips_are_chosen_until_each_hidden_pair_is_shown_often_enough(clips: list[Path]) -> None:
    shown = [
        sum("hold" in pair.verbs for truth in read_clip(path)[1] for pair in truth.pairs)
        for path in clips
    ]
    assert sum(map(bool, shown)) > 1, "take other seeds"
    things = frozenset(("hold", name) for name in CLASSES)
    assert clips_with_enough(clips, frozenset(), first=2, least=9) == clips[:2]
    everything = clips_with_enough(clips, things, first=0, least=10_000)
    assert {clips[i] for i, count in enumerate(shown) if count} >= set(everything) > set()


def test_every_row_is_made_and_kept_and_silent_parts_stay_silent(
    clips: list[Path], tmp_path: Path
) -> None:
    torch.manual_seed(0)
    clip = make_world_clip(load_bundle("world").path("detector.onnx")).eval()
    plan = WorldPlan(6, boxes=1, batch=2, setting="unseen_pairs")
    bench = Bench(clip, clips[:4], clips[4:], tmp_path / "runs", plan, seeds=1)
    first = dict(zero_shot_table(bench))
    assert list(first)[:4] == ["chance", "object prior", "plain CLIP", "boxes only"]
    assert list(first)[4:] == [parts.name for parts in LEARNED]
    runs: list[str] = []
    again = dict(zero_shot_table(bench, on_run=lambda name, _: runs.append(name)))
    assert repr(again) == repr(first)
    for path in bench.work.glob("*.pt"):
        path.unlink()  # scores alone are enough
    assert repr(dict(zero_shot_table(bench))) == repr(first)
    other = make_world_clip(load_bundle("world").path("detector.onnx")).eval()
    next(zero_shot_table(replace(bench, clip=other)))
    assert len(list(bench.work.glob("*plain*.npz"))) == 2  # rows of one CLIP are not another's


def test_the_term_of_boxes_keeps_the_scale_that_it_learned_with(
    clips: list[Path], tmp_path: Path
) -> None:
    clip = make_world_clip(load_bundle("world").path("detector.onnx")).eval()
    plan, pairs = WorldPlan(12, boxes=1, batch=4), world_pairs(clips[:4])
    model = train_world_cmmp(clip, clips[:4], pairs, tmp_path / "training.pt", plan)
    fitted = make_world_cmmp(clip, plan.parts)
    fit_geometry(fitted, pairs, plan)
    assert model.geometry is not None
    assert fitted.geometry is not None
    assert torch.equal(model.geometry.mean, fitted.geometry.mean)
    assert torch.equal(model.geometry.std, fitted.geometry.std)


def test_silent_weights_are_nought_after_a_training(clips: list[Path], tmp_path: Path) -> None:
    clip = make_world_clip(load_bundle("world").path("detector.onnx")).eval()
    prompt, instances = LEARNED[:2]
    for parts, silent, learned in (
        (prompt, "encoder.adapters.0.up_proj.weight", "prompts.ctx"),
        (instances, "priors.patterns", "priors.project.layers.0.weight"),
    ):
        plan = WorldPlan(12, boxes=1, batch=4, parts=parts)
        pairs = world_pairs(clips[:4])
        model = train_world_cmmp(clip, clips[:4], pairs, tmp_path / f"{silent}.pt", plan)
        state = model.state_dict()
        assert not state[silent].any()
        assert state[learned].any()
        assert model.geometry is None


def test_a_bundle_s_pairs_are_told_apart_better_than_by_dice(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "120")
    with pytest.raises(SystemExit) as ended:
        main(["evaluate", "pairs", "--clips", "2"])
    assert not ended.value.code
    seen = dict(re.findall(r"(world|chance) +(\d\.\d+) ", capfd.readouterr().out))
    assert float(seen["world"]) > 2 * float(seen["chance"]) > 0
    with pytest.raises(SystemExit):
        main(["evaluate", "pairs", "--clips", "2", "--bundle", "boxes"])
    assert "its vocabulary is not that of the world" in capfd.readouterr().err


def test_a_bundle_without_eyes_and_an_unknown_setting_are_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    command = ["evaluate", "zero-shot", "--work", str(tmp_path)]
    for wrong, said in (
        (("--bundle", "boxes"), "no CMMP of the world"),
        (("--setting", "unseen_dreams"), "unseen_dreams"),
    ):
        with pytest.raises(SystemExit) as refused:
            main([*command, *wrong])
        assert refused.value.code == 1
        assert said in capfd.readouterr().err
