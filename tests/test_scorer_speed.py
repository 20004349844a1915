"""Ours gives what the naive reading of the specification gives, and keeps no memory."""

import numpy as np
import pytest
import torch

from models.cmmp.network import CMMPConfig
from models.device import choose_device, choose_dtype
from models.evaluation.scorer_speed import PEOPLE, THINGS, Trial, make_trial
from stream.bench_scorer import bench_scorer, error, watch_memory

SMALL = CMMPConfig(
    image_size=64, patch=16, width=64, layers=2, text_width=64, text_layers=1, dim=24
)


@pytest.fixture(scope="module")
def trial() -> Trial:
    return make_trial(None, SMALL)


def test_every_frame_scores_as_the_naive_way_does(trial: Trial) -> None:
    naive = trial.naive(1)[0]
    assert naive.shape == (PEOPLE * THINGS, SMALL.verbs)
    assert naive.std() > 0.1
    for ours in trial.ours(3):
        np.testing.assert_allclose(ours, naive, atol=0.05 * np.abs(naive).max())
    assert error(trial, 3) < 1e-2


@pytest.mark.slow
def test_five_hundred_batches_keep_no_memory(trial: Trial) -> None:
    marks = list(watch_memory(trial, 500))
    assert [done for done, _ in marks] == [83, 166, 250, 333, 416, 500]
    assert marks[-1][1] - marks[0][1] < 8


def test_every_batch_size_has_its_speed_beside_the_encoder_s(trial: Trial) -> None:
    speeds = list(bench_scorer(trial, [1, 2], repeats=1))
    assert [speed.batch for speed in speeds] == [1, 2]
    for speed in speeds:
        assert speed.error < 1e-2
        assert min(speed.naive, speed.ours, speed.network, speed.encoder) > 0
        assert speed.share == pytest.approx(speed.encoder / speed.network)
    assert trial.encode(trial.pixels(3)).shape == (3, SMALL.dim)


@pytest.mark.slow
@pytest.mark.skipif(
    choose_dtype(choose_device()) != torch.bfloat16,
    reason="without bfloat16 in hardware nearly all time is the tower's products, ours or naive",
)
def test_four_frames_are_much_faster_together_than_naively() -> None:
    (speed,) = bench_scorer(make_trial("ViT-B-16-quickgelu"), [4])
    assert speed.error < 1e-2
    assert speed.gain >= 2.5
