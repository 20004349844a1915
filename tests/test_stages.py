"""Stages `track` and `score`: one bad frame, a full memory, a slower rate of scoring."""

import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv

from models.coco import CLASSES
from models.pairs import PairScores
from models.tracker import Tracker
from models.vocabulary import Verb, Vocabulary
from stream.careful import Careful, Quarantine
from stream.errors import StreamError
from stream.frames import HELD, Frame, Image, Round, ScoredFrame, TrackedFrame
from stream.score import Score
from stream.smooth import Smoother, Smoothing
from stream.stats import FrameCounts, Timing
from stream.track import Detect, Track

START = datetime(2026, 1, 1, tzinfo=UTC)
HOLD = Vocabulary("test", (Verb("hold", "a person holding", False),), ("cup",), ((0,),))
BAD = 255  # grey level of a picture on which the model fails


def frame(camera: str, index: int, level: int = 0, rate: float = 25.0) -> Frame:
    image = np.full((48, 64, 3), level, np.uint8)
    seconds = index / rate
    return Frame(camera, index, 0, seconds, START + timedelta(seconds=seconds), image)


def seen() -> sv.Detections:
    """A person and a cup in their hand."""
    classes = [CLASSES.index("person"), CLASSES.index("cup")]
    return sv.Detections(
        xyxy=np.array([[10, 5, 30, 45], [26, 20, 34, 28]], np.float32),
        confidence=np.array([0.9, 0.9], np.float32),
        class_id=np.array(classes),
        data={"class_name": np.array(["person", "cup"], dtype=object)},
    )


def detect(images: Sequence[Image]) -> list[sv.Detections]:
    if any(image.max() == BAD for image in images):
        raise ValueError("the model cannot digest this")
    return [seen() for _ in images]


def run_track(
    rounds: Iterable[Round[Frame]], folder: Path, counts: FrameCounts
) -> list[Round[TrackedFrame]]:
    quarantine = Quarantine(folder)
    detected = Detect(Careful("detect", detect, quarantine), counts).detect(rounds)
    return list(Track(lambda: Tracker(CLASSES), quarantine, counts).track(detected))


def test_a_frame_that_breaks_the_model_is_kept_aside_and_the_others_go_on(tmp_path: Path) -> None:
    counts = FrameCounts()
    bad = frame("b", 1, BAD)
    rounds = [
        Round((frame("a", 0), frame("b", 0))),
        Round((frame("a", 1), bad)),
        Round((frame("a", 2), frame("b", 2))),
    ]
    tracked = run_track(rounds, tmp_path, counts)
    there = [[(t.frame.camera, t.frame.index) for t in round_.frames] for round_ in tracked]
    assert there == [[("a", 0), ("b", 0)], [("a", 1)], [("a", 2), ("b", 2)]]
    assert counts.fates() == {("b", "dropped quarantined"): 1}
    (facts,) = tmp_path.glob("*.json")
    assert json.loads(facts.read_text())["camera"] == "b"
    assert "cannot digest" in json.loads(facts.read_text())["error"]
    picture = cv2.imread(str(facts.with_suffix(".png")))
    assert picture is not None
    assert np.array_equal(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), bad.image)


def test_a_model_that_fails_on_every_frame_ends_the_run(tmp_path: Path) -> None:
    rounds = (Round((frame("a", n, BAD),)) for n in range(500))
    with pytest.raises(StreamError, match="detect failed on 100 frames in a row: ValueError"):
        run_track(rounds, tmp_path, FrameCounts())
    assert len(list(tmp_path.glob("*.png"))) <= 20


def test_out_of_memory_halves_the_batch_and_loses_nothing(tmp_path: Path) -> None:
    sizes: list[int] = []

    def double(items: Sequence[int]) -> list[int]:
        sizes.append(len(items))
        if len(items) > 3:
            raise MemoryError
        return [2 * item for item in items]

    timing = Timing()
    careful = Careful("score", double, Quarantine(tmp_path), timing)
    frames = [frame(str(n), 0) for n in range(10)]
    assert careful.run(frames, range(10)) == [2 * n for n in range(10)]
    assert sizes == [10, 5, 2, 2, 2, 2, 2]
    assert careful.run(frames[:4], range(4)) == [0, 2, 4, 6]
    assert max(sizes[7:]) == 2
    assert (timing.items, timing.calls) == (14, 7)
    assert not list(tmp_path.iterdir())


def tracked(index: int) -> TrackedFrame:
    detections = seen()
    detections.tracker_id = np.array([1, 2])
    return TrackedFrame(frame("gate", index), detections)


def score_pairs(items: Sequence[tuple[Image, sv.Detections]]) -> list[PairScores]:
    rows = np.array([[2.0]], np.float32)
    one = PairScores(np.array([1]), np.array([2]), rows, np.zeros((1, 4), np.float16), rows)
    return [one for _ in items]


def run_score(frames: int, rate: float | None, folder: Path) -> tuple[FrameCounts, float]:
    """Counts, and the belief after a number of frames at 25 a second."""
    counts = FrameCounts()
    rates = {} if rate is None else {"gate": rate}
    score = Score(Careful("score", score_pairs, Quarantine(folder)), HOLD, counts, rates)
    rounds = list(score.score(Round((tracked(n),)) for n in range(frames)))
    *_, last = Smoother(Smoothing.from_dict(("hold",), {})).smooth(rounds)
    return counts, float(last.frames[0].beliefs.probabilities[0, 0])


def test_a_lower_rate_of_scoring_costs_less_and_believes_the_same(tmp_path: Path) -> None:
    every, belief = run_score(51, None, tmp_path)
    some, slower = run_score(51, 5.0, tmp_path)
    assert every.scored == 51
    assert some.scored == 11
    assert some.gated == {HELD: 40}
    assert slower == pytest.approx(belief, abs=0.02)


def test_a_pair_is_believed_between_two_scored_frames(tmp_path: Path) -> None:
    score = Score(Careful("score", score_pairs, Quarantine(tmp_path)), HOLD, None, {"gate": 2.0})
    rounds: list[Round[ScoredFrame]] = list(score.score(Round((tracked(n),)) for n in range(30)))
    smoothed = list(Smoother(Smoothing.from_dict(("hold",), {})).smooth(rounds))
    beliefs = [float(r.frames[0].beliefs.probabilities[0, 0]) for r in smoothed]
    assert beliefs[14] == beliefs[13], "a frame that was not scored says nothing"
    assert beliefs[26] > beliefs[14] > beliefs[1]


def test_rounds_of_files_share_a_pass_and_come_out_as_if_alone(tmp_path: Path) -> None:
    sizes: list[int] = []

    def remember(items: Sequence[tuple[Image, sv.Detections]]) -> list[PairScores]:
        sizes.append(len(items))
        return score_pairs(items)

    def rounds() -> Iterator[Round[TrackedFrame]]:
        empty = TrackedFrame(frame("gate", 2), sv.Detections.empty())
        yield from (Round((tracked(0),)), Round((tracked(1),)), Round((empty,)))
        yield from (Round((tracked(3),)), Round((), ("gate",)), Round((tracked(5),)))

    def run(together: int) -> tuple[list[list[tuple[int, str | None]]], dict[str, int]]:
        counts = FrameCounts()
        careful = Careful("score", remember, Quarantine(tmp_path))
        score = Score(careful, HOLD, counts, {"gate": 25.0}, together=together).score
        out = [[(f.frame.index, f.gated) for f in round_.frames] for round_ in score(rounds())]
        return out, counts.gated

    alone = run(1)
    assert sizes == [1, 1, 1, 1]
    sizes.clear()
    assert run(4) == alone
    assert sizes == [3, 1]


def test_what_came_before_an_error_is_scored_before_it(tmp_path: Path) -> None:
    def rounds() -> Iterator[Round[TrackedFrame]]:
        yield Round((tracked(0),))
        raise StreamError("the disk is full")

    score = Score(Careful("score", score_pairs, Quarantine(tmp_path)), HOLD, together=4)
    out = score.score(rounds())
    assert next(out).frames[0].gated is None
    with pytest.raises(StreamError, match="the disk is full"):
        next(out)
