"""Beliefs and boxes become events: intervals, moments, pick-ups and put-downs."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
import supervision as sv

from models.pairs import PairScores
from models.vocabulary import Verb, Vocabulary
from storage.interactions import (
    EndReason,
    Interaction,
    Kind,
    Phase,
    RejectedPair,
    Rivals,
)
from stream.events import EventMaker, Lifecycle
from stream.frames import Beliefs, Frame, Round, ScoredFrame, SmoothedFrame, changes_of
from stream.rivals import find_rivals
from stream.sightings import View
from stream.smooth import Smoother, Smoothing
from stream.transitions import TransitionSettings

VERBS = ("hold", "kick", "push")
VOCABULARY = Vocabulary(
    "test",
    (
        Verb("hold", "holding"),
        Verb("kick", "kicking", moment=True),
        Verb("push", "pushing"),
    ),
    ("person", "box"),
    ((), (0, 1, 2)),
)
PERSON, BOX = 1, 2
RATE = 10.0
Track = Callable[[float], Sequence[float] | None]  # seconds -> centre x, y of the box, or unseen


def frames(
    seconds: float,
    belief: Callable[[float], tuple[float, float, float]],
    thing: Track,
    confidence: float,
) -> Iterator[Round[SmoothedFrame]]:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    for i in range(round(seconds * RATE)):
        t = i / RATE
        centre = thing(t)
        boxes, ids, names = [[100.0, 100, 160, 300]], [PERSON], ["person"]
        if centre is not None:
            x, y = centre
            boxes.append([x - 15, y - 15, x + 15, y + 15])
            ids.append(BOX)
            names.append("box")
        detections = sv.Detections(
            np.array(boxes, np.float32),
            confidence=np.full(len(boxes), confidence, np.float32),
            tracker_id=np.array(ids),
            data={"class_name": np.array(names, dtype=object)},
        )
        pair = np.array([PERSON]), np.array([BOX])
        logits = np.zeros((1, 3), np.float32)
        scores = PairScores(*pair, logits, np.zeros((1, 4), np.float16), logits)
        beliefs = Beliefs(*pair, np.array([belief(t)], np.float32), np.array([centre is not None]))
        image = np.full((2, 2, 3), i % 256, np.uint8)
        frame = Frame("gate", i, 0, t, start + timedelta(seconds=t), image)
        yield Round((SmoothedFrame(frame, detections, scores, beliefs),))


def told(
    seconds: float,
    belief: Callable[[float], tuple[float, float, float]],
    thing: Track = lambda _: (150, 200),
    confidence: float = 0.9,
    transitions: TransitionSettings | None = None,
) -> list[Interaction]:
    rounds = make_events(transitions=transitions).events(frames(seconds, belief, thing, confidence))
    return [change.interaction for round_ in rounds for change in changes_of(round_)]


def make_events(
    sample_seconds: float | None = None, transitions: TransitionSettings | None = None
) -> EventMaker:
    return EventMaker(
        VOCABULARY,
        Smoothing.from_dict(VERBS, {}),
        Lifecycle(not_carry=("push",), transitions=transitions or TransitionSettings()),
        bundle="b",
        config="c",
        sample_seconds=sample_seconds,
    )


def ends(interactions: Sequence[Interaction], verb: str) -> list[Interaction]:
    return [i for i in interactions if i.verb == verb and i.phase is Phase.END]


def holding(*spans: tuple[float, float]) -> Callable[[float], tuple[float, float, float]]:
    def belief(t: float) -> tuple[float, float, float]:
        held = any(start <= t < end for start, end in spans)
        return (0.9 if held else 0.1), 0.0, 0.0

    return belief


def test_an_interval_has_one_id_from_its_start_to_its_end() -> None:
    events = told(5, holding((1, 3)))
    assert [e.phase for e in events] == [Phase.START, Phase.END]
    assert len({e.id for e in events}) == 1
    assert events[-1].media_start == pytest.approx(1.0)
    assert events[-1].media_end == pytest.approx(2.9)
    assert events[-1].end_reason is EndReason.ENDED
    assert events[-1].object_class == "box"
    assert events[-1].human_track == "gate:0:1"


def test_a_short_pause_does_not_split_and_a_long_one_does() -> None:
    assert len(ends(told(6, holding((1, 2), (2.4, 4))), "hold")) == 1
    assert len(ends(told(6, holding((1, 2), (3.5, 5))), "hold")) == 2


def test_a_flash_is_not_reported() -> None:
    assert told(3, holding((1, 1.2))) == []


def test_what_is_open_at_the_end_is_closed_with_the_source() -> None:
    events = told(3, holding((1, 9)))
    assert events[-1].end_reason is EndReason.SOURCE_END
    assert events[-1].media_end == pytest.approx(2.9)


def test_a_thing_that_is_not_seen_does_not_lengthen_its_event() -> None:
    def seen_until_two(t: float) -> Sequence[float] | None:
        return (150, 200) if t < 2 else None

    assert ends(told(4, holding((1, 9)), seen_until_two), "hold")[0].media_end <= 2.0


def test_moments_are_peaks() -> None:
    def kicks(t: float) -> tuple[float, float, float]:
        return 0.0, float(max(np.exp(-(((t - at) / 0.2) ** 2)) for at in (1.0, 3.0))), 0.0

    events = told(5, kicks)
    assert [e.kind for e in events] == [Kind.MOMENT] * 2
    assert [e.media_start for e in events] == pytest.approx([1.0, 3.0], abs=0.05)


def lifted(t: float) -> Sequence[float]:
    """On the ground, lifted between 2 and 2.5 s, carried about, back on the ground at 5 s."""
    if t < 2 or t >= 5:
        return 150, 280
    return 150 + 6 * np.sin(3 * t), 280 - 120 * min(1, (t - 2) / 0.5) * min(1, (5 - t) / 0.5)


def test_a_thing_at_rest_that_is_held_and_leaves_is_picked_up_and_put_down() -> None:
    events = told(7, holding((2, 5)), lifted)
    (up,), (down,) = ends(events, "pick up"), ends(events, "put down")
    assert up.media_start == pytest.approx(2.2, abs=0.3)
    assert down.media_start == pytest.approx(5.5, abs=0.6)
    assert up.human_track == down.human_track == "gate:0:1"


def test_a_thing_that_has_left_its_place_needs_less_belief_to_be_held() -> None:
    def faint(t: float) -> tuple[float, float, float]:
        return (0.6 if 1 <= t < 4 else 0.1), 0.0, 0.0

    def path(t: float) -> tuple[float, float]:
        return (150, 200 - 30 * min(max(t - 1, 0), 2)) if t < 4 else (150, 200)

    settings = TransitionSettings(held=0.75, away=0.5)
    assert len(ends(told(6, faint, path, transitions=settings), "pick up")) == 1
    assert len(ends(told(6, faint, path, transitions=settings), "put down")) == 1
    strict = TransitionSettings(held=0.75, away=0.75)
    assert not ends(told(6, faint, path, transitions=strict), "pick up")
    assert not ends(told(6, faint, transitions=settings), "pick up")  # it stays


def test_what_is_perhaps_no_thing_is_not_picked_up() -> None:
    events = told(7, holding((2, 5)), lifted, confidence=0.3)
    assert not ends(events, "pick up")
    assert not ends(events, "put down")
    assert ends(events, "hold")


def test_a_thing_that_was_held_and_is_gone_was_picked_up() -> None:
    def taken(t: float) -> Sequence[float] | None:
        return (190, 280) if t < 3 else None

    (up,) = ends(told(6, holding((2, 3)), taken), "pick up")
    assert up.media_start == pytest.approx(2.9)


def test_a_thing_behind_a_person_is_not_taken() -> None:
    def hidden(t: float) -> Sequence[float] | None:
        return (150, 200) if t < 3 else None

    assert ends(told(6, holding((2, 3)), hidden), "pick up") == []


def test_a_thing_that_vanishes_untouched_is_not_taken() -> None:
    def vanishes(t: float) -> Sequence[float] | None:
        return (190, 280) if t < 3 else None

    assert told(6, holding(), vanishes) == []


def test_a_thrown_thing_that_comes_to_rest_is_not_put_down() -> None:
    def flies(t: float) -> Sequence[float]:
        if t < 2:
            return 150 + 12 * np.sin(4 * t), 200
        return 150 + 40 * min(t - 2, 1.5), 200 + 50 * min(t - 2, 1.5)

    assert ends(told(7, holding((0, 2)), flies), "put down") == []


def test_holding_a_thing_that_never_rested_is_no_pick_up() -> None:
    def moving(t: float) -> Sequence[float]:
        return 150 + 12 * np.sin(4 * t), 200

    assert ends(told(5, holding((0, 5)), moving), "pick up") == []


def test_a_thing_that_is_held_but_stays_is_not_picked_up() -> None:
    assert ends(told(5, holding((2, 4))), "pick up") == []


def test_a_thing_that_is_pushed_is_not_picked_up() -> None:
    def pushed(_: float) -> tuple[float, float, float]:
        return 0.6, 0.0, 0.9

    def rolls(t: float) -> Sequence[float]:
        return (150 if t < 2 else 150 + 20 * (t - 2)), 280

    assert ends(told(5, pushed, rolls), "pick up") == []


def test_a_ball_that_rolls_by_itself_is_nobodys() -> None:
    def rolls(t: float) -> Sequence[float]:
        return (150 if t < 2 else min(150 + 60 * (t - 2), 300)), 280

    events = told(8, holding(), rolls)
    assert events == []


def test_the_same_frames_give_the_same_events() -> None:
    assert told(7, holding((2, 5)), lifted) == told(7, holding((2, 5)), lifted)


def test_nothing_is_invented_over_the_time_in_which_a_camera_was_lost() -> None:
    """Held before and after 10 s without frames: two events that end and begin with what was seen;
    and a thing that stood on the table before and is held after was not seen to be picked up."""
    score = np.array([[3.0]], np.float32)
    vocabulary = Vocabulary("test", (Verb("hold", "holding"),), ("person", "box"), ((), (0,)))
    start = datetime(2026, 1, 1, tzinfo=UTC)

    def scored(t: float, epoch: int, thing: int) -> Round[ScoredFrame]:
        detections = sv.Detections(
            np.array([[100, 100, 160, 300], [135, 185, 165, 215]], np.float32),
            confidence=np.full(2, 0.9, np.float32),
            tracker_id=np.array([thing - 1, thing]),
            data={"class_name": np.array(["person", "box"], dtype=object)},
        )
        pair = np.array([thing - 1]), np.array([thing])
        scores = PairScores(*pair, score, np.zeros((1, 4), np.float16), score)
        time = start + timedelta(seconds=t)
        frame = Frame("gate", round(t * 10), epoch, t, time, np.zeros((2, 2, 3), np.uint8))
        return Round((ScoredFrame(frame, detections, scores),))

    # After a while the tracker knows them again, or it does not; after long nobody is remembered.
    for number, back in ((2, 13.0), (4, 13.0), (4, 600.0)):
        rounds = [scored(i / 10, 7, 2) for i in range(30)]
        rounds += [scored(back + i / 10, 8, number) for i in range(30)]
        smoothing = Smoothing.from_dict(("hold",), {})
        maker = EventMaker(vocabulary, smoothing, Lifecycle(), bundle="b", config="c")
        changes = [
            c for r in maker.events(Smoother(smoothing).smooth(rounds)) for c in changes_of(r)
        ]
        done = ends([change.interaction for change in changes], "hold")
        assert {i.verb for i in (c.interaction for c in changes)} == {"hold"}
        assert [round(i.media_end, 1) for i in done] == [2.9, back + 2.9]
        assert [i.media_start >= at for i, at in zip(done, (0.0, back), strict=True)] == [True] * 2


def test_an_event_tells_what_else_it_may_have_been() -> None:
    def belief(t: float) -> tuple[float, float, float]:
        return (0.9, 0.002, 0.3) if 1 <= t < 3 else (0.1, 0.0, 0.0)

    (end,) = ends(told(5, belief), "hold")
    assert end.rivals == Rivals((("push", 0.3),), None)  # a kick was not in question


def test_the_nearest_rejected_pair_is_named() -> None:
    beliefs = np.array([[0.9, 0, 0], [0.4, 0, 0], [0.2, 0, 0], [0.8, 0, 0]], np.float32)
    human, thing = np.array([1, 1, 3, 3]), np.array([2, 4, 2, 4])
    detections = sv.Detections(
        np.zeros((4, 4), np.float32),
        tracker_id=np.array([1, 2, 3, 4]),
        data={"class_name": np.array(["person", "box", "person", "cup"], dtype=object)},
    )
    scores = PairScores(human, thing, beliefs, np.zeros((4, 4), np.float16), beliefs)
    frame = Frame(
        "gate", 0, 0, 0.0, datetime(2026, 1, 1, tzinfo=UTC), np.zeros((2, 2, 3), np.uint8)
    )
    smoothed = SmoothedFrame(
        frame, detections, scores, Beliefs(human, thing, beliefs, np.ones(4, bool))
    )
    best = View(smoothed).sighting((1, 2), 0.9)
    assert best is not None
    rivals = find_rivals(best, (1, 2), "hold", VERBS, lambda number: f"gate:0:{number}")
    assert rivals is not None
    assert rivals.pair == RejectedPair("gate:0:1", "gate:0:4", "cup", 0.4)  # 0.8 was told itself


def test_vectors_are_kept_at_start_and_end_and_every_few_seconds() -> None:
    rounds = list(make_events(2.0).events(frames(5, holding((1, 3)), lambda _: (150, 200), 0.9)))
    changes = [change for round_ in rounds for change in changes_of(round_)]
    kept = [change.vector for change in changes if change.vector is not None]
    assert [v.moment for v in kept] == ["start", "end"]
    assert [v.media_time for v in kept] == pytest.approx([1.0, 2.9])
    assert {v.interaction for v in kept} == {changes[0].interaction.id}
    samples = [v for round_ in rounds for f in round_.frames for v in f.samples]
    assert [v.media_time for v in samples] == pytest.approx([0.0, 2.0, 4.0])
    assert {(v.human_track, v.object_track, v.vector.shape) for v in samples} == {
        ("gate:0:1", "gate:0:2", (4,))
    }
    assert len({v.id for v in [*kept, *samples]}) == 5


def test_of_many_pairs_the_nearest_are_sampled() -> None:
    things = np.arange(2, 22)
    boxes = [[0.0, 0, 50, 100]] + [[60.0 + 10 * n, 40, 65 + 10 * n, 50] for n in things]
    detections = sv.Detections(
        np.array(boxes, np.float32),
        tracker_id=np.array([1, *things]),
        data={"class_name": np.array(["person", *["box"] * 20], dtype=object)},
    )
    human, order = np.ones(20, np.int64), things[::-1]
    logits, vectors = np.zeros((20, 3), np.float32), np.zeros((20, 4), np.float16)
    scores = PairScores(human, order, logits, vectors, logits)
    beliefs = Beliefs(human, order, np.zeros((20, 3), np.float32), np.ones(20, bool))
    image, start = np.zeros((2, 2, 3), np.uint8), datetime(2026, 1, 1, tzinfo=UTC)
    smoothed = SmoothedFrame(Frame("gate", 0, 0, 0.0, start, image), detections, scores, beliefs)
    (round_,) = make_events(5.0).events([Round((smoothed,))])
    kept = [sample.object_track for sample in round_.frames[0].samples]
    assert kept == [f"gate:0:{n}" for n in range(2, 10)]


def test_tracks_are_told_every_minute_and_at_the_end() -> None:
    def seen_for_a_second(t: float) -> Sequence[float] | None:
        return (150, 200) if t < 1 else None

    rounds = list(make_events().events(frames(130, holding(), seen_for_a_second, 0.9)))
    told = [track for r in rounds for frame in r.frames for track in frame.tracks]
    told += [track for r in rounds for track in r.leaving]
    box = [track for track in told if track.id == "gate:0:2"]
    assert [(t.class_name, t.frames, t.media_start) for t in box] == [("box", 10, 0.0)]
    assert box[0].media_end == pytest.approx(0.9)
    person = [track.media_end for track in told if track.id == "gate:0:1"]
    assert person == pytest.approx([60.0, 120.0, 129.9], abs=1.1)
    assert told[-1].frames == 1300
    assert (told[-1].last_seen - told[-1].first_seen).total_seconds() == pytest.approx(129.9)
