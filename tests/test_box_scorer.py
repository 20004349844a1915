"""The box scorer is linear in its verbs, is saved whole, and can be trained in seconds."""

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from models.box_scorer import BoxScorer, BoxScorerConfig
from models.datasets.vcoco import vcoco_vocabulary
from models.errors import ModelError
from models.evaluation.boxes import average_precision, evaluate_boxes
from models.geometry import FEATURES
from models.training.boxes import Pairs, calibrate, fit, with_strangers
from models.vocabulary import Verb, Vocabulary

VCOCO = Path(__file__).parents[2] / "shared" / "data" / "vcoco"


def network() -> BoxScorer:
    torch.manual_seed(0)
    return BoxScorer(BoxScorerConfig(classes=3, verbs=4, width=16)).eval()


def inputs(count: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(count, FEATURES, generator=generator)
    return features, torch.arange(count) % 3


def test_logits_are_vectors_times_prototypes_with_the_bias_in_the_last_entry() -> None:
    scorer = network()
    vectors = scorer.vectors(*inputs())
    assert vectors.shape == (5, 16)
    assert (vectors[:, -1] == 1).all()
    torch.testing.assert_close(scorer(*inputs()), vectors @ scorer.prototypes.T, rtol=0, atol=0)


def test_a_saved_scorer_is_the_same_scorer(tmp_path: Path) -> None:
    scorer = network()
    scorer.save(tmp_path / "s.safetensors")
    again = BoxScorer.load(tmp_path / "s.safetensors")
    assert again.config == scorer.config
    torch.testing.assert_close(again(*inputs()), scorer(*inputs()), rtol=0, atol=0)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.safetensors"
    with pytest.raises(ModelError, match="not a box scorer"):
        BoxScorer.load(path)
    path.write_bytes(b"garbage" * 10)
    with pytest.raises(ModelError, match="not a box scorer"):
        BoxScorer.load(path)
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(ModelError, match="not a box scorer"):
        BoxScorer.load(path)


def test_training_learns_touch_and_calibration_means_what_it_says() -> None:
    rng = np.random.default_rng(0)
    words = Vocabulary("tiny", (Verb("hold", "holding"),), ("cup",), ((0,),))
    human = np.tile(np.array([[100, 100, 200, 300]], np.float32), (1200, 1))
    centre = rng.uniform((0, 0), (400, 400), (1200, 2))
    thing = np.concatenate([centre - 15, centre + 15], 1).astype(np.float32)
    inside = (centre > (100, 100)) & (centre < (200, 300))
    touch = np.all(inside, axis=1)
    pairs = Pairs(
        human,
        thing,
        np.full((1200, 2), 400, np.float32),
        np.zeros(1200, np.int64),
        touch.astype(np.float32).reshape(-1, 1),
    )
    known, unknown = pairs.take(np.arange(800)), pairs.take(np.arange(800, 1200))
    scorer = fit(known, words, seed=0, epochs=6, noisy=False)
    calibration = calibrate(scorer, unknown, words)["hold"]
    with torch.inference_mode():
        logits = scorer(torch.from_numpy(unknown.features()), torch.zeros(400, dtype=torch.int64))
    probability = (calibration.scale * logits[:, 0] + calibration.bias).sigmoid().numpy()
    assert average_precision(probability, unknown.labels[:, 0]) > 0.95
    assert probability.mean() == pytest.approx(unknown.labels.mean(), abs=0.02)


def test_strangers_are_appended_and_do_nothing() -> None:
    rng = np.random.default_rng(0)
    box = np.tile(np.array([[10, 10, 60, 90]], np.float32), (6, 1))
    pairs = Pairs(box, box, box[:, 2:] + 9, np.arange(6), np.ones((6, 2), np.float32))
    both = with_strangers(pairs, rng)
    np.testing.assert_array_equal(both.thing[:6], pairs.thing)
    assert len(both) == 12
    assert both.labels[6:].sum() == 0


def test_average_precision_of_known_orders() -> None:
    truth = np.array([1, 0, 1, 0], np.float32)
    assert average_precision(np.array([4, 3, 2, 1], np.float32), truth) == pytest.approx(5 / 6)
    assert average_precision(np.array([4, 2, 3, 1], np.float32), truth) == 1
    assert average_precision(np.ones(4, np.float32), np.zeros(4, np.float32)) == 0


def test_the_vocabulary_has_24_actions_over_the_coco_classes() -> None:
    words = vcoco_vocabulary()
    assert len(words.verbs) == 24
    assert len(words.objects) == 80
    ball = words.objects.index("sports ball")
    assert words.validity[ball, words.verb_names.index("kick")]
    assert not words.validity[ball, words.verb_names.index("sit on")]
    moments = {verb.name for verb in words.verbs if verb.moment}
    assert moments == {"hit", "hit with", "jump on", "throw", "catch", "kick"}


@pytest.mark.slow
def test_the_boxes_bundle_reaches_its_floor_on_vcoco() -> None:
    if not VCOCO.is_dir():
        pytest.skip("no ../shared/data/vcoco")
    from models.bundle import load_bundle

    report = evaluate_boxes(load_bundle("boxes"), VCOCO)
    assert report.mean >= 0.83
    assert report.controls["object prior"] < 0.6
    assert report.controls["class only"] < 0.6
    assert report.false_alarms < 0.06
