"""One thing that is handed over is one alert, in whatever words and order it becomes known."""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.orm import Session, sessionmaker

from storage.alert_rows import note_new
from storage.interactions import Interaction, Phase
from storage.repository import add_interactions
from storage.watching import Findings, OvertakenError, find, settle
from tests.test_interactions import NOON
from tests.test_standing import about, moment, see, stand

Sessions = sessionmaker[Session]
GIVER, TAKER, BOX = "gate:0:1", "gate:0:2", "gate:0:7"


def custody(number: int, verb: str, who: str, begins: float, ends: float) -> Interaction:
    start, end = (NOON + timedelta(seconds=second) for second in (begins, ends))
    tracks = {"human_track": who, "object_track": BOX}
    return moment(number, verb, begins, started_at=start, ended_at=end, **tracks)


HANDED = (
    custody(1, "pick up", GIVER, 0, 0),
    custody(2, "hold", GIVER, 0.3, 2.8),
    custody(3, "carry", GIVER, 0.8, 3.4),
    custody(4, "hold", TAKER, 3.0, 8.0),
    custody(5, "carry", TAKER, 3.5, 9.0),
    custody(6, "pick up", TAKER, 3.1, 3.1),
)


def store(sessions: Sessions, one: Interaction) -> None:
    with sessions.begin() as session:
        add_interactions(session, interactions=[one])
        note_new(session, [one], now=NOON)


def begun(one: Interaction) -> Interaction:
    """Its first phase, when little is known of it."""
    early = min(one.ended_at, one.started_at + timedelta(seconds=0.2))
    return replace(one, phase=Phase.START, end_reason=None, ended_at=early, peak_score=0.4)


def test_it_is_told_once_whatever_else_is_known_of_it(both: Sessions) -> None:
    stand(both, "who handed the box to whom")
    held, taken = HANDED[1], HANDED[3]
    assert see(both, begun(held)) == []
    (alert,) = see(both, held, begun(taken))
    assert about([alert]) == [str(held.id)]
    sure = replace(HANDED[2], peak_score=0.99)
    assert see(both, sure) == [alert], "held and carried"
    assert see(both, HANDED[0]) == [alert], "picked up before"
    assert see(both, taken, HANDED[4]) == [alert]


def test_who_was_handed_it_is_told_once_too(both: Sessions) -> None:
    stand(both, "who was handed the box")
    (alert,) = see(both, *HANDED)
    assert about([alert])[0] in {str(one.id) for one in HANDED if one.human_track == TAKER}


def test_it_is_told_again_when_it_happens_again(both: Sessions) -> None:
    stand(both, "who handed the box to whom")
    back = custody(7, "hold", GIVER, 10, 12)
    again = custody(8, "hold", TAKER, 13, 15), custody(9, "carry", TAKER, 13.5, 15)
    assert len(see(both, *HANDED)) == 1
    assert len(see(both, back)) == 2, "handed back"
    assert len(see(both, *again)) == 3


@settings(
    max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    order=st.permutations([n for n in range(len(HANDED)) for _ in range(2)]),
    scores=st.lists(st.floats(0.3, 1.0), min_size=len(HANDED), max_size=len(HANDED)),
    together=st.integers(1, 4),
)
def test_in_any_order_it_is_told_once(
    sessions: Sessions, order: Sequence[int], scores: Sequence[float], together: int
) -> None:
    with sessions.begin() as session:
        for table in ("interactions", "alert_looks", "standing_questions"):
            session.execute(text(f"DELETE FROM {table}"))
    stand(sessions, "who handed the box to whom")
    told, seen = list[Interaction](), set[int]()
    for number in order:
        one = replace(HANDED[number], peak_score=scores[number])
        told.append(one if number in seen else begun(one))
        seen.add(number)
    for first in range(0, len(told), together):
        alerts = see(sessions, *told[first : first + together])
    assert len(alerts) == 1


def test_two_that_ask_at_once_tell_it_once_though_one_of_them_knows_less(both: Sessions) -> None:
    """The slow one reads what is due before the thing is taken, and asks when all is known."""
    stand(both, "who handed the box to whom")
    giver, taker = HANDED[1], HANDED[3]
    store(both, giver)
    quick = list[Findings]()

    statements = itertools.count()

    def meanwhile(_: object) -> None:
        if next(statements) == 1:  # what is due has been read
            store(both, taker)
            with both() as other:
                quick.append(find(other, now=NOON))
            store(both, HANDED[2])

    with both() as session:
        event.listen(session, "do_orm_execute", meanwhile)
        slow = find(session, now=NOON)
    with both.begin() as session:
        assert settle(session, slow, now=NOON).alerts == 1
    with pytest.raises(OvertakenError), both.begin() as session:
        settle(session, *quick, now=NOON)
    assert len(see(both, *HANDED)) == 1
