"""`stream models draw`: the figures show what the scorer computes, and where."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.bundle import Bundle
from models.evaluation.insight import look
from models.scorer import load_scorer
from stream.cli import main
from tests.test_cmmp_scorer import BALL, CUP, PERSON, picture, tracked
from tests.test_cmmp_scorer import bundle as cmmp_bundle  # noqa: F401


def test_what_is_shown_is_what_the_scorer_computes(cmmp_bundle: Bundle) -> None:  # noqa: F811
    rows = [CUP, PERSON, BALL]
    insight = look(cmmp_bundle, picture(0), tracked(rows))
    assert insight.names == ("person 2", "cup 1", "ball 3")
    assert insight.pairing.tolist() == [[0, 0], [1, 2]]
    np.testing.assert_allclose(insight.boxes, [row[1:] for row in (PERSON, CUP, BALL)])
    (scores,) = load_scorer(cmmp_bundle).score([picture(0)], [tracked(rows)])
    chances = 1 / (1 + np.exp(-scores.evidence))
    possible = np.isfinite(scores.evidence)
    assert (np.isfinite(insight.probabilities) == possible).all()
    np.testing.assert_allclose(insight.probabilities[possible], chances[possible], atol=1e-2)
    np.testing.assert_allclose(insight.attention.sum(0), 1, atol=1e-5)
    np.testing.assert_allclose(insight.hears.sum(1), 1, atol=1e-5)
    for weights, box in zip(insight.regions, insight.boxes, strict=True):
        assert weights.sum() == pytest.approx(1, abs=1e-4)
        side = len(weights)  # the middle of the weights is the middle of the box
        at = (np.arange(side) + 0.5) / side
        centre = (weights.sum(0) @ at * 640, weights.sum(1) @ at * 360)
        np.testing.assert_allclose(
            centre, (box[:2] + box[2:]) / 2, atol=15
        )  # less than a patch, and the frame's border cuts some off


def draw(*words: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(["models", "draw", *words])
    return int(str(ended.value.code))


def test_three_pictures_of_a_frame_are_drawn(cmmp_bundle: Bundle, tmp_path: Path) -> None:  # noqa: F811
    where = ("--out", str(tmp_path / "new"), "--seed", "10012", "--seconds", "8")
    assert draw(str(cmmp_bundle.folder), *where) == 0
    paths = sorted((tmp_path / "new").iterdir())
    assert [p.name for p in paths] == [f"cmmp-{n}.png" for n in ("patterns", "scores", "steps")]
    for path in paths:
        with Image.open(path) as figure:
            colours = np.unique(np.array(figure.convert("RGB")).reshape(-1, 3), axis=0)
        assert len(colours) > 10


def test_a_bundle_without_cmmp_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert draw("boxes", "--out", str(tmp_path)) == 1
    assert "has no CMMP to look into" in capfd.readouterr().err
    assert not list(tmp_path.iterdir())
