"""Carrying is told by motion: whoever holds a thing and goes along with it carries it."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import supervision as sv
from hypothesis import given
from hypothesis import strategies as st

from models.pairs import PairScores
from stream.frames import Beliefs, Frame, SmoothedFrame
from stream.motion import Motion, MotionSettings
from stream.sightings import View

VERBS = ("hold", "carry", "kick")
SETTINGS = MotionSettings.from_dict({"held": ["hold"], "carried": ["carry"]})
PERSON, THING, RATE, TALL = 1, 2, 12.5, 100.0
Place = Callable[[float], float]  # seconds -> x of the centre, in heights of the person


def view(seconds: float, person: float, thing: float, belief: tuple[float, ...]) -> View:
    centres = np.array([person, thing]) * TALL
    size = np.array([[20, 50], [8, 8]])
    centre = np.stack([centres, np.array([150, 150])], 1)
    boxes = np.concatenate([centre - size, centre + size], 1).astype(np.float32)
    found = sv.Detections(
        boxes,
        tracker_id=np.array([PERSON, THING]),
        data={"class_name": np.array(["person", "box"], dtype=object)},
    )
    pair = np.array([PERSON]), np.array([THING])
    logits = np.zeros((1, len(VERBS)), np.float32)
    scores = PairScores(*pair, logits, np.zeros((1, 4), np.float16), logits)
    beliefs = Beliefs(*pair, np.array([belief], np.float32), np.array([True]))
    wall = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=seconds)
    frame = Frame("gate", 0, 0, seconds, wall, np.zeros((2, 2, 3), np.uint8))
    return View(SmoothedFrame(frame, found, scores, beliefs))


def believed(
    person: Place,
    thing: Place,
    belief: tuple[float, ...] = (0.9, 0.2, 0.1),
    settings: MotionSettings = SETTINGS,
) -> list[float]:
    """After a second of it."""
    motion, last = Motion(settings, VERBS), None
    for i in range(round(RATE)):
        t = i / RATE
        last = motion.correct(view(t, person(t), thing(t), belief))
    assert last is not None
    probabilities: list[float] = last.frame.beliefs.probabilities[0].tolist()
    return probabilities


def walking(t: float) -> float:
    return 1 + 0.6 * t


def standing(_: float) -> float:
    return 1.0


def test_what_is_held_by_one_who_walks_is_carried_and_else_it_is_not() -> None:
    assert believed(walking, walking)[1] > 0.8
    assert believed(standing, standing)[1] < 0.1
    assert believed(walking, standing)[1] < 0.1  # somebody passes it
    assert believed(standing, walking)[1] < 0.1  # it rolls by
    assert believed(walking, lambda t: 2 - 0.6 * t)[1] < 0.1  # they meet


def test_what_is_not_held_is_not_carried_however_it_moves() -> None:
    assert believed(walking, walking, (0.1, 0.9, 0.0))[1] <= 0.1


def test_a_verb_that_the_thing_does_not_allow_stays_impossible() -> None:
    assert believed(walking, walking, (0.9, 0.0, 0.0))[1] == 0


def test_other_verbs_and_bundles_that_do_not_ask_for_it_are_left_alone() -> None:
    found = believed(walking, walking)
    assert [found[0], found[2]] == pytest.approx([0.9, 0.1])
    assert believed(walking, walking, settings=MotionSettings())[1] == pytest.approx(0.2)


@given(st.floats(-2, 2), st.floats(-2, 2), st.floats(0, 1))
def test_nobody_carries_more_surely_than_they_hold(a: float, b: float, held: float) -> None:
    carried = believed(lambda t: 3 + a * t, lambda t: 3 + b * t, (held, 0.5, 0.0))[1]
    assert 0 <= carried <= held + 1e-6
