"""Moments that were not likely enough to be told, shown beside an answer and not counted."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker
from streamlit.testing.v1 import AppTest

from dashboard.api import make_api
from storage import open_verbs
from storage.ask import Answer, OpenVerbs, answer, understand_stored
from storage.repository import add_interactions
from storage.track_rows import add_pair_vectors, add_tracks
from storage.tracks import Track
from tests.test_interactions import NOON, make_interaction
from tests.test_open_verbs import Spoken, sample

HELD = replace(make_interaction(10, verb="hold"), object_class="box")
MINUTE = timedelta(minutes=1)
OTHER = make_interaction(11).id


def ask(sessions: sessionmaker[Session], question: str, how: OpenVerbs | None = None) -> Answer:
    with sessions() as session:
        asked = understand_stored(session, question, now=NOON + MINUTE, open_verbs=how)
        return answer(session, asked, open_verbs=how, less_sure=5)


def store_held(sessions: sessionmaker[Session], first_seen: float = 0.0) -> None:
    """A box that is held for 2.5 s from the tenth on, and stands there before and after."""
    seen = NOON + timedelta(seconds=first_seen), NOON + MINUTE
    track = Track(HELD.object_track, "gate", "box", *seen, 0.0, 60.0, 99, "b")
    with sessions.begin() as session:
        add_interactions(session, interactions=[HELD])
        add_tracks(session, tracks=[track])


def test_who_holds_what_stood_there_has_picked_it_up(sessions: sessionmaker[Session]) -> None:
    store_held(sessions)
    found = ask(sessions, "did anyone pick up a box")
    assert (found.rows, found.total, found.yes) == ((), 0, False)
    (row,) = found.less_sure
    assert (row.interaction.started_at, row.interaction.verb) == (HELD.started_at, "pick up")
    assert row.likelihood is not None
    assert row.likelihood < HELD.peak_score
    (row,) = ask(sessions, "who put down a box").less_sure
    assert row.interaction.started_at == HELD.ended_at


def test_what_is_told_or_came_in_hands_is_not_implied(sessions: sessionmaker[Session]) -> None:
    store_held(sessions, first_seen=9.9)
    assert ask(sessions, "who picked up a box").less_sure == ()
    put = make_interaction(13, verb="put down")
    with sessions.begin() as session:
        add_interactions(session, interactions=[put])
    found = ask(sessions, "who put down a box")
    assert [row.interaction for row in found.rows] == [put]
    assert found.less_sure == ()


def test_what_another_takes_was_not_put_down(sessions: sessionmaker[Session]) -> None:
    store_held(sessions)
    taken = make_interaction(13, verb="hold", human_track="gate:0:5")
    with sessions.begin() as session:
        add_interactions(session, interactions=[taken])
    people = {row.interaction.human_track for row in ask(sessions, "who put down a box").less_sure}
    assert people == {"gate:0:5"}


def test_what_is_implied_lies_in_the_time_that_is_asked_for(
    sessions: sessionmaker[Session],
) -> None:
    store_held(sessions)
    since = HELD.started_at + timedelta(seconds=1)
    with sessions() as session:
        for question, number in (("who picked up a box", 0), ("who put down a box", 1)):
            asked = understand_stored(session, question, now=NOON + MINUTE)
            found = answer(session, asked, since=since, less_sure=5)
            assert len(found.less_sure) == number, question


def test_who_was_given_a_thing_has_not_picked_it_up_whoever_is_asked_for(
    sessions: sessionmaker[Session],
) -> None:
    store_held(sessions)
    assert len(ask(sessions, "did person 3 pick up a box").less_sure) == 1
    giver = make_interaction(7, verb="hold", human_track="gate:0:5")
    with sessions.begin() as session:
        add_interactions(session, interactions=[giver])
    assert ask(sessions, "did person 3 pick up a box").less_sure == ()
    (row,) = ask(sessions, "did person 5 pick up a box").less_sure
    assert row.interaction.human_track == "gate:0:5"


def test_beliefs_below_the_live_threshold_are_found(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    vectors = [sample(second, juggles=-5, throws=-0.5) for second in range(0, 30, 5)]
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=vectors)
    found = ask(sessions, "who held a ball", OpenVerbs(Spoken()))
    assert found.total == 0
    (row,) = found.less_sure
    assert 0.1 < row.interaction.peak_score < 0.5
    monkeypatch.setattr(open_verbs, "_MOST_WEAK", len(vectors) - 1)  # nobody waits for so many
    assert ask(sessions, "who held a ball", OpenVerbs(Spoken())).less_sure == ()
    monkeypatch.setattr(open_verbs, "_MOST_WEAK", len(vectors))
    assert len(ask(sessions, "who held a ball", OpenVerbs(Spoken())).less_sure) == 1


def test_a_colour_may_have_been_misnamed(sessions: sessionmaker[Session]) -> None:
    store_held(sessions)
    green = Track("gate:0:8", "gate", "box", NOON, NOON + MINUTE, 0.0, 60.0, 99, "b", "green")
    with sessions.begin() as session:
        add_interactions(session, interactions=[replace(HELD, id=OTHER, object_track=green.id)])
        add_tracks(session, tracks=[green])
    found = ask(sessions, "who held a green box")
    assert [row.interaction.object_track for row in found.rows] == [green.id]
    (row,) = found.less_sure
    assert row.interaction.object_track == HELD.object_track
    assert row.likelihood is not None
    assert row.likelihood < 0.1 * HELD.peak_score
    nowhere = ask(sessions, "did anyone hold a pink box")
    assert (nowhere.total, nowhere.yes, len(nowhere.less_sure)) == (0, False, 2)


def test_the_other_doors_show_them_apart(
    sessions: sessionmaker[Session], database: str, tmp_path: Path
) -> None:
    store_held(sessions)
    token = "a token of this test"
    api = TestClient(make_api(sessions, token), headers={"Authorization": f"Bearer {token}"})
    asked = {"q": "who held a pink box", "until": (NOON + MINUTE).isoformat()}
    said = api.get("/ask", params=asked).json()
    assert (said["total"], said["rows"], said["summary"]) == (0, [], "nothing found")
    assert [row["interaction"]["verb"] for row in said["less_sure"]] == ["hold"]
    assert api.get("/ask", params={**asked, "offset": 50}).json()["less_sure"] == []

    def show(url: str, media: str) -> None:
        from dashboard.views import ask

        ask.render(url, media)

    page = AppTest.from_function(show, default_timeout=60, args=(database, str(tmp_path)))
    page.query_params["q"] = "who held a pink box"
    page.run()
    assert not page.exception
    assert any("Nothing found" in info.value for info in page.info)
    assert [one.value for one in page.subheader] == ["Less sure"]
    (row,) = page.dataframe[0].value.to_dict("records")
    assert float(row["score"]) < 0.1  # not that of the peak
