"""Rows of an answer: the likeliest first, by all that is stored around them."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.orm import Session, sessionmaker

from storage.ask import answer, understand_stored
from storage.interactions import Interaction, Kind
from storage.likelihood import likelihoods
from storage.repository import add_interactions
from storage.told_windows import ASKED
from storage.track_rows import add_tracks
from storage.tracks import Track
from tests.test_interactions import NOON, make_interaction

HOUR = timedelta(hours=1)


def ask(
    sessions: sessionmaker[Session], question: str, *, limit: int = 50, offset: int = 0
) -> list[tuple[Interaction, float | None]]:
    with sessions() as session:
        asked = understand_stored(session, question, now=NOON + HOUR)
        found = answer(session, asked, limit=limit, offset=offset)
    return [(row.interaction, row.likelihood) for row in found.rows]


def store(sessions: sessionmaker[Session], *interactions: Interaction) -> None:
    with sessions.begin() as session:
        add_interactions(session, interactions=interactions)


def test_who_has_the_thing_afterwards_has_picked_it_up(sessions: sessionmaker[Session]) -> None:
    sure, unsure = make_interaction(0, peak_score=0.55), make_interaction(30, peak_score=0.9)
    held = make_interaction(1, verb="hold", peak_score=0.97)
    store(sessions, sure, unsure, held)
    (first, likely), (second, less) = ask(sessions, "who picked up a box")
    assert (first, second) == (sure, unsure)
    assert likely == 0.97
    assert less is not None
    assert less < 0.5


def test_another_person_s_hands_tell_nothing(sessions: sessionmaker[Session]) -> None:
    picked = make_interaction(0)
    store(sessions, picked, make_interaction(1, verb="hold", human_track="gate:0:9"))
    ((_, likely),) = ask(sessions, "who picked up a box")
    assert likely is not None
    assert likely < 0.5


def test_a_long_custody_ends_with_its_put_down(sessions: sessionmaker[Session]) -> None:
    held = make_interaction(0, verb="hold", peak_score=0.98)
    held = replace(held, ended_at=held.started_at + timedelta(minutes=4))
    store(sessions, held, make_interaction(240, verb="put down", peak_score=0.5))
    ((_, likely),) = ask(sessions, "who put down a box")
    assert likely == 0.98


def test_a_thing_that_is_jolted_in_the_hand_was_hardly_picked_up_then(
    sessions: sessionmaker[Session],
) -> None:
    held = make_interaction(0, verb="hold", peak_score=0.98)
    held = replace(held, ended_at=held.started_at + timedelta(minutes=4))
    store(sessions, held, make_interaction(60), make_interaction(90, verb="put down"))
    for question in ("who picked up a box", "who put down a box"):
        ((_, likely),) = ask(sessions, question)
        assert likely is not None
        assert likely < 0.5


def test_what_was_handed_over_was_neither_picked_up_nor_put_down(
    sessions: sessionmaker[Session],
) -> None:
    first = make_interaction(0, verb="hold", human_track="gate:0:9", peak_score=0.98)
    then = make_interaction(2.5, verb="hold", peak_score=0.98)
    moments = make_interaction(2.5), make_interaction(2.5, verb="put down", human_track="gate:0:9")
    store(sessions, first, then, *moments)
    for question in ("who picked up a box", "who put down a box"):
        ((_, likely),) = ask(sessions, question)
        assert likely is not None
        assert likely < 0.5


def test_who_still_has_a_thing_has_not_thrown_it(sessions: sessionmaker[Session]) -> None:
    changes = {"verb": "throw", "kind": Kind.MOMENT, "peak_score": 0.9}
    threw = make_interaction(2, human_track="gate:0:1", **changes)
    drank = make_interaction(2, human_track="gate:0:2", **changes)
    held = [
        make_interaction(0, verb="hold", human_track=one.human_track, object_track="gate:0:7")
        for one in (threw, drank)
    ]
    on = make_interaction(1, verb="drink with", human_track="gate:0:2")
    on = replace(on, ended_at=on.started_at + timedelta(seconds=9))
    store(sessions, threw, drank, *held, on)
    (first, _), (second, likely) = ask(sessions, "who threw a box")
    assert (first, second) == (threw, drank)
    assert likely is not None
    assert likely < 0.5


def test_one_sits_on_one_thing_at_a_time(sessions: sessionmaker[Session]) -> None:
    on_chair = make_interaction(0, verb="sit on", object_class="chair", peak_score=0.98)
    on_bench = make_interaction(
        0, verb="sit on", object_class="bench", object_track="gate:0:8", peak_score=0.9
    )
    alone = make_interaction(
        600, verb="sit on", object_class="bench", object_track="gate:0:8", peak_score=0.6
    )
    store(sessions, on_chair, on_bench, alone)
    (first, likely), (second, less) = ask(sessions, "who sat on a bench")
    assert (first, second) == (alone, on_bench)
    assert likely == pytest.approx(0.6)
    assert less == pytest.approx(9 / (1 + 9 + 49))
    ((_, sure),) = ask(sessions, "who sat on a chair")
    assert sure == pytest.approx(49 / (1 + 9 + 49))


def test_one_thing_is_in_one_person_s_hands(sessions: sessionmaker[Session]) -> None:
    mine = make_interaction(0, verb="hold", peak_score=0.98)
    carried = make_interaction(0, verb="carry", peak_score=0.98)
    near = make_interaction(0, verb="hold", human_track="gate:0:9", peak_score=0.9)
    store(sessions, mine, carried, near)
    (first, _), (second, likely) = ask(sessions, "who held a box")
    assert (first, second) == (mine, near)
    assert likely == pytest.approx(9 / (1 + 9 + 49)), "held and carried by one are one rival"


def test_the_last_and_the_longest_are_as_likely_as_in_any_other_answer(
    sessions: sessionmaker[Session],
) -> None:
    held = make_interaction(1, verb="hold", peak_score=0.97)
    store(sessions, picked := make_interaction(0, peak_score=0.5), held)
    for question in ("who picked up a box last", "who picked up a box longest"):
        assert ask(sessions, question) == [(picked, 0.97)]


def test_what_another_bundle_or_configuration_tells_of_the_same_tracks_is_no_evidence(
    sessions: sessionmaker[Session],
) -> None:
    """Tracks of a file are counted anew in every run: person 9 of the one is nobody's rival."""
    held = make_interaction(1, verb="hold", peak_score=0.97)
    long = replace(held, ended_at=held.started_at + timedelta(minutes=4))
    sat = make_interaction(9, verb="sit on", object_track="gate:0:8", object_class="bench")
    mine = [make_interaction(0, peak_score=0.5), long, sat]
    store(sessions, *mine)
    questions = ("who picked up a box", "who held a box", "who sat on a bench")
    alone = [ask(sessions, question) for question in questions]
    for viewer in ({"bundle": "d" * 64}, {"config": "d" * 64}):
        taker = make_interaction(1, verb="hold", human_track="gate:0:9", **viewer)
        giver = make_interaction(-1, verb="carry", human_track="gate:0:6", **viewer)
        chair = make_interaction(9, verb="sit on", object_class="chair", **viewer)
        other = make_interaction(2, object_track="gate:0:8", peak_score=0.4, **viewer)
        store(sessions, taker, giver, chair, other)
    ids = {one.id for one in mine}
    for question, expected in zip(questions, alone, strict=True):
        assert [row for row in ask(sessions, question) if row[0].id in ids] == expected, question


def test_what_stored_vectors_tell_competes_with_what_its_bundle_told(
    sessions: sessionmaker[Session],
) -> None:
    told = make_interaction(0, verb="hold", human_track="gate:0:9", peak_score=0.9)
    other = make_interaction(0, verb="hold", human_track="gate:0:6", bundle="d" * 64)
    asked = make_interaction(0, verb="hold", peak_score=0.9, config=ASKED)
    store(sessions, told, other)
    with sessions() as session:
        assert likelihoods(session, [asked]) == {asked.id: pytest.approx(9 / (1 + 9 + 9))}


def test_a_row_is_as_likely_alone_as_among_others(sessions: sessionmaker[Session]) -> None:
    """An eleventh minute before a put-down is looked at for another row, not for this one."""
    early = make_interaction(0, verb="hold", peak_score=0.99)
    late = make_interaction(600.5, verb="hold", peak_score=0.6)
    early = replace(early, ended_at=late.started_at)
    late = replace(late, ended_at=late.started_at + timedelta(seconds=60))
    put = make_interaction(660, verb="put down")
    store(sessions, early, late, put, before := make_interaction(300, verb="put down"))
    with sessions() as session:
        assert likelihoods(session, [put, before])[put.id] == likelihoods(session, [put])[put.id]


@pytest.mark.parametrize(
    ("verb", "index"), [("hold", "object_track_started_at"), ("ride", "human_number_started_at")]
)
def test_rows_are_judged_together_and_only_their_tracks_are_read(
    sessions: sessionmaker[Session], verb: str, index: str
) -> None:
    """However many are ranked, of however many cameras, in a database that was never analyzed."""
    rows = [
        make_interaction(n, verb=verb, camera=camera, object_track=f"{camera}:0:{n}")
        for n, camera in enumerate(("gate", "yard", "hall", "door") * 25)
    ]
    store(sessions, *rows)
    sent: list[tuple[str, Any]] = []
    with sessions() as session:
        connection = session.connection()
        event.listen(connection, "before_cursor_execute", lambda *told: sent.append(told[2:4]))
        likelihoods(session, rows)
        ((looked, parameters),) = sent
        (step,) = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {looked}", parameters)
    assert f"SEARCH interactions USING INDEX ix_interactions_{index}" in step.detail


@settings(
    max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(st.tuples(*(st.integers(0, n) for n in (5, 2, 2, 1500, 400))), max_size=40))
def test_many_rows_are_judged_as_each_alone_is(
    sessions: sessionmaker[Session], drawn: list[tuple[int, ...]]
) -> None:
    verbs = ("hold", "pick up", "put down", "throw", "sit on", "read")
    rows = []
    for verb, person, thing, second, lasts in drawn:
        tracks = {"human_track": f"gate:0:{person}", "object_track": f"gate:0:{7 + thing}"}
        one = make_interaction(second, verb=verbs[verb], peak_score=0.1 + second / 2000, **tracks)
        rows.append(replace(one, ended_at=one.started_at + timedelta(seconds=lasts)))
    with sessions.begin() as session:
        session.execute(text("DELETE FROM interactions"))
        add_interactions(session, interactions=rows)
        together = likelihoods(session, rows)
        assert together == {
            id_: each for one in rows for id_, each in likelihoods(session, [one]).items()
        }


def test_in_red_means_the_shirt_first(sessions: sessionmaker[Session]) -> None:
    kicks = [
        make_interaction(10 * n, verb="kick", human_track=f"gate:0:{n}", peak_score=0.8 + n / 10)
        for n in range(2)
    ]
    seen = (NOON, NOON + HOUR, 0.0, 1.0, 9, "b")
    shirt = Track("gate:0:0", "gate", "person", *seen, "red", "blue")
    trousers = Track("gate:0:1", "gate", "person", *seen, "blue", "red")
    store(sessions, *kicks)
    with sessions.begin() as session:
        add_tracks(session, tracks=[shirt, trousers])
    assert [one for one, _ in ask(sessions, "who in red kicked a box")] == kicks
    assert [one for one, _ in ask(sessions, "who in red trousers kicked a box")] == kicks[1:]


def test_two_things_together_are_less_likely_than_each(sessions: sessionmaker[Session]) -> None:
    kicked = make_interaction(0, verb="kick", object_class="ball", peak_score=0.8)
    sat = make_interaction(9, verb="sit on", object_class="chair", peak_score=0.5)
    store(sessions, kicked, sat)
    ((row, likely),) = ask(sessions, "who kicked a ball and then sat on a chair")
    assert row == kicked
    assert likely == 0.8 * 0.5


def test_every_row_is_on_one_page(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The newest are ranked; what lies behind them is as it was stored."""
    monkeypatch.setattr("storage.ask._RANKED", 100)
    kicks = [
        make_interaction(n, verb="kick", peak_score=0.5 + n % 7 / 20, human_track=f"gate:0:{n}")
        for n in range(130)
    ]
    store(sessions, *kicks)
    pages = [ask(sessions, "who kicked what", limit=40, offset=n) for n in (0, 40, 80, 120)]
    rows = [row for page in pages for row in page]
    assert {one.id for one, _ in rows} == {one.id for one in kicks}
    assert len(rows) == 130
    ranked = [likely for _, likely in rows[:100] if likely is not None]
    assert ranked == sorted(ranked, reverse=True)
    assert [one for one, _ in rows[100:]] == kicks[29::-1]


def test_an_answer_says_which_rows_are_ranked(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.ask._RANKED", 100)

    def summary(question: str) -> str:
        with sessions() as session:
            return answer(session, understand_stored(session, question, now=NOON + HOUR)).summary

    store(sessions, *(make_interaction(10 * n, verb="kick") for n in range(100)))
    assert summary("who kicked what") == "100 interactions"
    store(sessions, make_interaction(2000, verb="kick"))
    assert summary("who kicked what") == (
        "101 interactions; of the newest 100 the likeliest come first, then the others by time"
    )
    assert summary("how many times was a box kicked") == "101 times"
