"""`stream train world-boxes`: the control of the world's eyes."""

from pathlib import Path

import numpy as np
import pytest

from models.bundle import load_bundle
from models.datasets.world import SETTINGS
from models.evaluation.world_pairs import average_precisions, score_world
from models.scorer import load_scorer
from models.training.world_frames import render_frames
from models.training.world_pairs import world_pairs
from models.world.truth import CLASSES, UNSEEN, VERBS
from stream.cli import main

CLIPS = 12


def test_boxes_of_a_few_clips_tell_something_of_others(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "boxes-mine"
    command = ["train", "world-boxes", "--work", str(tmp_path), "--clips", str(CLIPS)]
    with pytest.raises(SystemExit) as exit_:
        main([*command, "--out", str(out)])
    assert exit_.value.code == 0, capfd.readouterr().err
    assert f"{out}: boxes-mine 2" in capfd.readouterr().out.replace("\n", "")
    bundle = load_bundle(str(out))
    others = render_frames(tmp_path / "others", 6, on_clip=lambda _: None, first_seed=500)
    found = score_world(others, load_scorer(bundle))
    precisions = average_precisions(found)
    chance = np.mean(
        [positives / (found.classes == CLASSES.index(thing) - 1).sum()
         for (_, thing), (_, positives) in precisions.items()]
    )  # fmt: skip
    assert np.mean([ap for ap, _ in precisions.values()]) > 1.3 * chance


def test_pairs_that_are_held_out_are_not_shown(tmp_path: Path) -> None:
    clips = render_frames(tmp_path, CLIPS, on_clip=lambda _: None)
    whole, shown = world_pairs(clips), world_pairs(clips, SETTINGS["unseen_pairs"])
    assert len(shown) < len(whole)
    for verb, thing in UNSEEN:
        rows = shown.classes == CLASSES.index(thing) - 1
        assert not shown.labels[rows, VERBS.index(verb)].any()
