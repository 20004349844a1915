"""Questions in words, and what comes back."""

import contextlib
from collections.abc import Sequence
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.orm import Session, sessionmaker

from storage.ask import (
    Answer,
    AskError,
    Question,
    answer,
    person_label,
    understand,
    understand_stored,
)
from storage.interactions import Interaction
from storage.names import cameras, object_classes_seen, verbs_seen
from storage.question import Form, Order
from storage.repository import add_interactions
from storage.track_rows import add_tracks
from storage.tracks import Track
from storage.words import base_forms, singulars, tokens_of
from tests.test_interactions import NOON, make_interaction

VERBS = ("pick up", "put down", "hold", "sit on", "kick", "ride")
OBJECTS = ("box", "cup", "sports ball", "chair", "bottle", "wine glass", "person", "book", "tie")
CAMERAS = ("gate", "lobby", "Back Door")
WORDS = tokens_of(
    "who what last past 3 ² person hour picked up put down box red not in gate gate:0:3 's"
)


def ask(question: str) -> Question:
    return understand(question, verbs=VERBS, objects=OBJECTS, cameras=CAMERAS)


@pytest.fixture
def events(sessions: sessionmaker[Session]) -> list[Interaction]:
    told = [
        make_interaction(0),
        make_interaction(1, human_track="gate:0:5", object_class="cup"),
        make_interaction(2, verb="put down", object_class="cup"),
        make_interaction(3, verb="sit on", object_class="chair", camera="lobby"),
        make_interaction(4, verb="kick", object_class="sports ball"),
        make_interaction(5, verb="hold", object_class="cup"),
    ]
    with sessions.begin() as session:
        add_interactions(session, interactions=told)
    return told


def look_up(sessions: sessionmaker[Session], question: str) -> Answer:
    with sessions() as session:
        understood = understand(
            question,
            verbs=verbs_seen(session),
            objects=object_classes_seen(session),
            cameras=cameras(session),
        )
        return answer(session, understood)


@pytest.mark.parametrize(
    ("question", "verbs", "objects"),
    [
        ("who picked up what", ["pick up"], []),
        ("Who picked up the box?", ["pick up"], ["box"]),
        ("who picked the big heavy box up", ["pick up"], ["box"]),
        ("who is picking up boxes", ["pick up"], ["box"]),
        ("did anyone kick a ball", ["kick"], ["sports ball"]),
        ("who sat on what on lobby", ["sit on"], []),
        ("who was sitting on a chair in the back door camera", ["sit on"], ["chair"]),
        ("how many cups were put down", ["put down"], ["cup"]),
        ("when was the bottle picked up", ["pick up"], ["bottle"]),
        ("what did camera:0:1 hold", ["hold"], []),
        ("who held or rode something", ["hold", "ride"], []),
        ("who grabbed the mug", ["pick up"], ["cup"]),
        ("who sat", ["sit on", "sit at"], []),
        ("who drank from the wine glass", ["drink with"], ["wine glass"]),
        ("who hugged a person", ["hug"], ["person"]),
        ("which person held a glass", ["hold"], ["wine glass"]),
        ("who wore a tie", ["wear"], ["tie"]),
        ("who read the book", ["read"], ["book"]),
        ("who picked up the orange cup", ["pick up"], ["cup"]),
        ("who picked up a cup and an orange", ["pick up"], ["cup", "orange"]),
        ("who had the box", ["hold", "carry"], ["box"]),
        ("who has picked up the box", ["pick up"], ["box"]),
        ("who's holding the cup", ["hold"], ["cup"]),
        ("who put it down", ["put down"], []),
        ("which objects were picked up by whom", ["pick up"], []),
        ("who carried the bag", ["carry"], ["backpack", "handbag", "suitcase"]),
        ("what happened", [], []),
        ("who touched the box", [], ["box"]),
    ],
)
def test_verbs_and_objects_are_recognised(
    question: str, verbs: Sequence[str], objects: Sequence[str]
) -> None:
    understood = ask(question)
    assert set(understood.clause.verbs) == set(verbs)
    assert set(understood.clause.objects) == set(objects)
    assert understood.answerable


@pytest.mark.parametrize("camera", ["front-door", "front_door", "Front Door"])
@pytest.mark.parametrize("said", ["the front door", "front-door"])
def test_a_camera_is_said_with_hyphens_or_spaces(camera: str, said: str) -> None:
    asked = understand(f"who held a cup at {said}", verbs=VERBS, objects=OBJECTS, cameras=[camera])
    assert (asked.camera, asked.answerable) == (camera, True)


def test_wh_words_are_columns_and_places_are_cameras() -> None:
    assert ask("who picked up what").asked == ("who", "what")
    assert ask("when was the bottle picked up").asked == ("time",)
    assert ask("where was it put down").asked == ("camera",)
    assert ask("who sat on what on lobby").camera == "lobby"
    assert ask("who sat at the back door").camera == "Back Door"
    assert ask("what did camera:0:1 hold").clause.human == "camera:0:1"
    assert ask("how many cups were put down").form is Form.THINGS
    assert person_label("gate:0:3") == "person 3 (gate)"
    assert person_label("rtsp://host:1/a:2:3") == "person 3 (rtsp://host:1/a)"
    assert person_label("somebody") == "somebody"


@pytest.mark.parametrize(
    ("question", "foreign"),
    [
        ("who juggled the cup", "juggled"),
        ("who picked up the flurb", "flurb"),
        ("who took off the box", "took"),
        ("who did not pick up the cup", "not"),
        ("who never held a cup", "never"),
        ("before what did who hold the cup", "before"),
        ("qui a pris la tasse", "tasse"),
    ],
)
def test_a_word_that_is_not_understood_is_told_and_nothing_else_is_answered(
    question: str, foreign: str, sessions: sessionmaker[Session], events: list[Interaction]
) -> None:
    told = look_up(sessions, question)
    assert foreign in told.not_understood
    assert foreign in told.summary
    assert told.rows == ()
    assert events


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("who picked up the red cup", [1]),
        ("who picked up the blue cup", []),
        ("who in a gray shirt picked up what", [1]),
        ("did anyone in blue pick up a red cup", [1]),  # worn below counts, too
        ("did anyone in blue trousers pick up a cup", [1]),
        ("did anyone in a blue shirt pick up a cup", []),
        ("did anyone in grey trousers pick up a cup", []),
        ("did anyone in red pick up a cup", []),
    ],
)
def test_colours_are_those_of_the_tracks(
    question: str, found: list[int], sessions: sessionmaker[Session], events: list[Interaction]
) -> None:
    event = events[1]
    seen = (event.started_at, event.ended_at, 0.0, 1.0, 9, "b")
    tracks = [
        Track(event.human_track, "gate", "person", *seen, "grey", "blue"),
        Track(event.object_track, "gate", "cup", *seen, "red"),
    ]
    with sessions.begin() as session:
        add_tracks(session, tracks=tracks)
    told = look_up(sessions, question)
    assert told.not_understood == ()
    assert [row.interaction for row in told.rows] == [events[n] for n in found]


@pytest.mark.parametrize("question", ["", " \n\t", "😀🎉", "???", "42", "the of", "x" * 10_000])
def test_no_question_is_refused_in_one_line(question: str) -> None:
    with pytest.raises(AskError) as error:
        ask(question)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 200


def test_who_picked_up_what(sessions: sessionmaker[Session], events: list[Interaction]) -> None:
    told = look_up(sessions, "who picked up what")
    assert told.columns == ("who", "what", "time", "camera", "score")
    assert [row.interaction for row in told.rows] == [events[1], events[0]]
    assert told.rows[0].cells[:2] == ("person 5 (gate)", "cup")
    assert told.rows[1].cells == (
        "person 3 (gate)",
        "box",
        "2026-05-01 12:00:00+00:00",
        "gate",
        "0.30",  # nobody was seen to have it
    )


@pytest.mark.parametrize(
    ("question", "summary", "numbers"),
    [
        ("who picked up the box", "1 interaction", [0]),
        ("did anyone kick a ball", "yes: 1 interaction", [4]),
        ("did anyone ride a bottle", "no: nothing found", []),
        ("did nobody kick a ball", "no: 1 interaction", [4]),
        ("did no one ride a bottle", "yes: nothing found", []),
        ("how many cups were put down", "1 (once)", [2]),
        ("how often was a chair picked up", "never", []),
        ("who sat on what on lobby", "1 interaction", [3]),
        ("who sat on what on gate", "nothing found", []),
        ("what happened but not on lobby", "5 interactions", [5, 4, 2, 1, 0]),
        ("how often did something happen, not on gate", "once", [3]),
        ("what did gate:0:5 pick up", "1 interaction", [1]),
        ("what did person 5 pick up", "1 interaction", [1]),
        ("what did person 77 pick up", "nothing found", []),
        ("who held the cup last", "1 interaction", [5]),
        ("what happened", "6 interactions", [5, 4, 3, 2, 1, 0]),
        ("who picked up '; DROP TABLE interactions; --", "nothing found", []),
    ],
)
def test_answers(
    sessions: sessionmaker[Session],
    events: list[Interaction],
    question: str,
    summary: str,
    numbers: list[int],
) -> None:
    told = look_up(sessions, question)
    assert told.summary.startswith(summary)
    assert [row.interaction for row in told.rows] == [events[n] for n in numbers]
    assert told.total == len(numbers)


def test_camera_and_time_of_the_caller_hold_too(
    sessions: sessionmaker[Session], events: list[Interaction]
) -> None:
    with sessions() as session:
        question = ask("who sat on what on lobby")
        assert answer(session, question, camera="lobby").total == 1
        assert answer(session, question, camera="gate").total == 0
        assert answer(session, ask("what happened"), until=NOON).total == 1
        assert len(answer(session, ask("what happened"), limit=2).rows) == 2
    assert events


def test_inflections() -> None:
    pairs = "picked pick carries carry carried carry sitting sit riding ride grabbed grab pushes"
    words = f"{pairs} push held hold rode ride put put worn wear lying lie washed wash".split()
    for form, base in zip(words[::2], words[1::2], strict=True):
        assert base in base_forms(form), form
    plurals = "boxes box knives knife people person glasses glass cups cup"
    nouns = f"{plurals} berries berry".split()
    for plural, noun in zip(nouns[::2], nouns[1::2], strict=True):
        assert noun in singulars(plural), plural


def test_the_last_minutes_are_a_time_and_the_last_one_is_a_row() -> None:
    def ask_now(question: str) -> Question:
        return understand(question, verbs=VERBS, objects=OBJECTS, cameras=CAMERAS, now=NOON)

    assert ask_now("who held a cup in the last 10 minutes").since == NOON - timedelta(minutes=10)
    assert ask_now("who held a cup in the past hour").since == NOON - timedelta(hours=1)
    last = ask_now("who held the cup last")
    assert (last.since, last.order, last.answerable) == (None, Order.LAST, True)
    assert not ask("who held a cup in the past hour").answerable  # nobody told what time it is


@given(st.text(max_size=600) | st.lists(st.sampled_from(WORDS)).map(" ".join))
def test_any_text_is_a_question_or_refused(text: str) -> None:
    with contextlib.suppress(AskError):
        question = ask(text)
        assert question.answerable or question.not_understood
        assert len(question.asked) <= 4


def test_a_video_that_was_watched_with_two_bundles_is_told_twice_and_the_answer_says_so(
    sessions: sessionmaker[Session],
) -> None:
    def count(*more: Interaction) -> str:
        with sessions.begin() as session:
            add_interactions(session, interactions=more)
            asked = understand_stored(session, "how many times was a box picked up", now=NOON)
            return answer(session, asked).summary

    first = make_interaction(0)
    later = make_interaction(60, bundle="later", human_track="gate:0:8")
    assert count(first, later) == "twice", "one took over from the other"
    again = make_interaction(0.5, bundle="later", human_track="gate:0:4")
    assert count(again) == (
        "3 times; watched with 2 bundles or configurations at the same time: "
        "what more than one of them tells is counted for each"
    )
