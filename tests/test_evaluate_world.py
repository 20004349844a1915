"""`stream evaluate world`: a scorer sees the frames that were decoded, a few at a time."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pytest
import supervision as sv

from models.bundle import load_bundle
from models.detector import open_detector
from models.pairs import PairScores
from models.scorer import PairScorer, load_scorer
from models.world.render import World
from stream.cli import main
from stream.world_clips import watch

Floats = npt.NDArray[np.float64]

SEED, SECONDS = 10_003, 4.0


def glance(image: npt.NDArray[np.uint8]) -> Floats:
    return image[::16, ::16].astype(float)


class Onlooker:
    """Scores as the bundle does and remembers what it was shown."""

    def __init__(self, scorer: PairScorer) -> None:
        self._scorer = scorer
        self.shown: list[tuple[sv.Detections, Floats]] = []
        self.most = 0
        self.prototypes = scorer.prototypes
        self.verb_names = scorer.verb_names
        self.listen = scorer.listen

    def score(
        self, images: Sequence[npt.NDArray[np.uint8]], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        self.most = max(self.most, len(images))
        self.shown += zip(detections, map(glance, images), strict=True)
        return self._scorer.score(images, detections)


def test_detected_and_true_boxes_are_scored_on_their_own_frames() -> None:
    bundle = load_bundle("world-boxes")
    scorer = Onlooker(load_scorer(bundle))
    classes = bundle.manifest.detector.classes
    assert classes is not None
    detector = open_detector(str(bundle.path("detector.onnx")), classes=classes)
    watched = watch(SEED, detector, scorer, bundle.tracking, SECONDS)
    drawn = [glance(image) for image, _ in World(SEED, seconds=SECONDS).frames()]
    for clip in (watched.detected, watched.true):
        assert [frame.frame.index for frame in clip.frames] == list(range(len(drawn)))
        for frame, picture in zip(clip.frames, drawn, strict=True):
            (shown,) = (image for found, image in scorer.shown if found is frame.detections)
            assert np.abs(shown - picture).mean() < 12  # H.264 and nothing else is between them
            assert frame.frame.image.size < 10  # it does not stay
    assert len(scorer.shown) == 2 * len(drawn)
    assert 2 <= scorer.most <= 8


def test_the_table_has_both_boxes_and_both_filters_and_how_much_more_than_another_bundle(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with pytest.raises(SystemExit) as exit_:
        main(["evaluate", "world", "--clips", "1", "--against", "world-boxes"])
    out, err = capfd.readouterr()
    assert exit_.value.code == 0, err
    rows = [line.split() for line in out.splitlines() if line.startswith(("detected", "true"))]
    assert len(rows) == 8
    for row in rows:
        f1, low, _, high, theirs, more = map(str.strip, row[5:11])
        assert float(low) == float(f1) == float(high)  # of one clip
        assert float(more) == pytest.approx(float(f1) - float(theirs), abs=0.0011)
    f1s = {tuple(row[:3]): float(row[5]) for row in rows}
    assert f1s["true", "average", "intervals"] > 0.5
    assert "mAP50" in out
