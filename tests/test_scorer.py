"""Tracked boxes in, evidence out: one call a round, linear, calibrated, nothing impossible."""

from collections.abc import Sequence

import numpy as np
import pytest
import supervision as sv

from models.box_pairs import BoxPairScorer
from models.box_scorer import BoxScorer, BoxScorerConfig
from models.bundle import load_bundle
from models.errors import ModelError
from models.scorer import PairScorer, load_scorer
from models.vocabulary import Verb, Vocabulary

PICTURE = np.zeros((360, 640, 3), np.uint8)
Row = tuple[str, float, float, float, float]
PERSON: Row = ("person", 200, 60, 320, 350)
CUP: Row = ("cup", 300, 150, 325, 180)


def tracked(rows: Sequence[Row], ids: Sequence[int] | None = None) -> sv.Detections:
    return sv.Detections(
        xyxy=np.array([row[1:] for row in rows], np.float32),
        confidence=np.ones(len(rows), np.float32),
        class_id=np.zeros(len(rows), int),
        tracker_id=np.arange(1, len(rows) + 1) if ids is None else np.array(ids, int),
        data={"class_name": np.array([row[0] for row in rows], dtype=object)},
    )


@pytest.fixture(scope="module")
def scorer() -> PairScorer:
    return load_scorer(load_bundle("boxes"))


def test_vectors_times_prototypes_are_the_logits(scorer: PairScorer) -> None:
    rng = np.random.default_rng(0)
    rows: list[Row] = [PERSON]
    for _ in range(50):
        x, y, width, height = rng.uniform((150, 40, 10, 10), (350, 300, 80, 80))
        rows.append((str(rng.choice(["cup", "chair"])), x, y, x + width, y + height))
    (scores,) = scorer.score([PICTURE], [tracked(rows)])
    assert scores.vectors.dtype == np.float16
    again = scores.vectors.astype(np.float32) @ scorer.prototypes.T
    bound = np.abs(scores.vectors.astype(np.float32)) @ np.abs(scorer.prototypes.T) * 2.0**-10
    assert (np.abs(again - scores.logits) <= bound + 1e-5).all()


def test_a_round_is_scored_as_its_frames_alone(scorer: PairScorer) -> None:
    frames = [tracked([PERSON, CUP]), sv.Detections.empty(), tracked([CUP, PERSON, CUP], [7, 8, 9])]
    together = scorer.score([PICTURE] * 3, frames)
    assert [len(scores.human) for scores in together] == [1, 0, 2]
    assert together[2].human.tolist() == [8, 8]
    assert together[2].object.tolist() == [7, 9]
    for scores, found in zip(together, frames, strict=True):
        (alone,) = scorer.score([PICTURE], [found])
        np.testing.assert_allclose(alone.logits, scores.logits, atol=1e-5)


def test_evidence_is_calibrated_and_never_of_an_impossible_verb(scorer: PairScorer) -> None:
    bundle = load_bundle("boxes")
    (scores,) = scorer.score([PICTURE], [tracked([PERSON, CUP])])
    allowed = bundle.vocabulary.validity[bundle.vocabulary.objects.index("cup")]
    assert (np.isneginf(scores.evidence[0]) == ~allowed).all()
    verb = bundle.vocabulary.verb_names.index("hold")
    platt = bundle.manifest.calibration["hold"]
    expected = platt.scale * scores.logits[0, verb] + platt.bias
    assert scores.evidence[0, verb] == pytest.approx(expected, rel=1e-5)


def test_a_cup_in_hand_is_held_and_one_on_the_floor_is_not(scorer: PairScorer) -> None:
    verb = load_bundle("boxes").vocabulary.verb_names.index("hold")
    below: Row = ("cup", 420, 330, 440, 355)
    (scores,) = scorer.score([PICTURE], [tracked([PERSON, CUP, below])])
    assert scores.evidence[0, verb] > 0 > scores.evidence[1, verb]


def test_unknown_classes_and_untracked_rows_are_ignored(scorer: PairScorer) -> None:
    drone: Row = ("drone", *CUP[1:])
    (scores,) = scorer.score([PICTURE], [tracked([PERSON, drone])])
    assert len(scores.human) == 0
    (scores,) = scorer.score([PICTURE], [tracked([PERSON, CUP], [1, -1])])
    assert len(scores.human) == 0
    untracked = tracked([PERSON, CUP])
    untracked.tracker_id = None
    (scores,) = scorer.score([PICTURE], [untracked])
    assert scores.logits.shape == (0, 24)


def test_an_empty_round_has_no_scores(scorer: PairScorer) -> None:
    assert scorer.score([], []) == []


def test_sizes_that_do_not_match_the_vocabulary_are_refused() -> None:
    words = Vocabulary("tiny", (Verb("hold", "holding"),), ("cup",), ((0,),))
    with pytest.raises(ModelError, match="sizes differ"):
        BoxPairScorer(BoxScorer(BoxScorerConfig(classes=2, verbs=1)), words, {})
