"""Time logic over stored events equals a slow reading of all of them."""

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from sqlalchemy.orm import Session, sessionmaker

from storage.ask import Answer, Row, answer, understand_stored
from storage.database import make_engine, make_sessions, upgrade
from storage.interactions import Interaction
from storage.question import Bound, Clause, Order, Question, Relation, Step
from storage.repository import add_interactions
from storage.tables import InteractionRow
from tests.test_interactions import NOON, make_interaction

VERBS, THINGS = ("pick up", "hold", "put down"), ("cup", "box")


def some_events(seed: int, number: int) -> list[Interaction]:
    dice = random.Random(seed)
    events = []
    for n in range(number):
        thing = dice.choice(THINGS)
        began = NOON + timedelta(seconds=dice.randrange(60))
        events.append(
            make_interaction(
                n,
                camera=dice.choice(("gate", "lobby")),
                verb=dice.choice(VERBS),
                human_track=f"gate:0:{dice.randrange(3)}",
                object_track=f"gate:0:{thing}{dice.randrange(2)}",
                object_class=thing,
                started_at=began,
                ended_at=began + timedelta(seconds=dice.choice((0, 1, 5, 20))),
                media_start=0.0,
                media_end=20.0,
            )
        )
    return list({one.id: one for one in events}.values())  # alike in all that makes an id: one


clauses = st.builds(
    Clause,
    verbs=st.lists(st.sampled_from(VERBS), max_size=2, unique=True).map(tuple),
    objects=st.lists(st.sampled_from(THINGS), max_size=1).map(tuple),
    not_objects=st.sampled_from(((), (), ("cup",))),
    person=st.sampled_from((None, None, 1)),
)
steps = st.builds(
    Step,
    relation=st.sampled_from(Relation),
    clause=clauses,
    within=st.sampled_from((None, timedelta(0), timedelta(seconds=3), timedelta(seconds=30))),
    negated=st.booleans(),
    person=st.sampled_from(Bound),
    thing=st.sampled_from(Bound),
)


def said(clause: Clause, one: Interaction) -> bool:
    return (
        (not clause.verbs or one.verb in clause.verbs)
        and (not clause.objects or one.object_class in clause.objects)
        and one.object_class not in clause.not_objects
        and clause.person in (None, int(one.human_track[-1]))
    )


def related(step: Step, a: Interaction, b: Interaction) -> bool:
    """As a reader of the question would say it, event by event."""
    if a.id == b.id or not said(step.clause, b):
        return False
    for bound, same in (
        (step.person, a.human_track == b.human_track),
        (step.thing, a.object_track == b.object_track),
    ):
        if (bound is Bound.SAME and not same) or (bound is Bound.OTHER and same):
            return False
    if step.relation is Relation.WHILE:
        return not (b.ended_at < a.started_at or b.started_at > a.ended_at)
    pause = max((b.started_at - a.ended_at, a.started_at - b.ended_at, timedelta(0)))
    if step.within is not None and pause > step.within:
        return False
    later = {
        Relation.THEN: b.started_at > a.started_at,
        Relation.AFTER: b.started_at < a.started_at,
    }
    return later.get(step.relation, True)


def holds(events: Sequence[Interaction], one: Interaction, steps: Sequence[Step]) -> bool:
    if not steps:
        return True
    step, rest = steps[0], steps[1:]
    others = [b for b in events if related(step, one, b)]
    if step.negated:
        return not others and holds(events, one, rest)
    return any(holds(events, b, rest) for b in others)


def likeliest_first(rows: Sequence[Row], wanted: Sequence[Interaction]) -> bool:
    """All that is wanted, newest first, once; what is likelier comes before it."""
    likelihood = {row.interaction.id: row.likelihood or 0.0 for row in rows}
    if likelihood.keys() != {one.id for one in wanted}:
        return False
    order = sorted(wanted, key=lambda one: -likelihood[one.id])
    return [row.interaction for row in rows] == order


@given(
    seed=st.integers(0, 10_000),
    clause=clauses,
    steps=st.lists(steps, min_size=1, max_size=3).map(tuple),
    first=st.booleans(),
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@pytest.mark.parametrize("page", [6, 100])
def test_joins_equal_a_slow_reading(
    sessions: sessionmaker[Session],
    monkeypatch: pytest.MonkeyPatch,
    page: int,
    seed: int,
    clause: Clause,
    steps: tuple[Step, ...],
    first: bool,
) -> None:
    monkeypatch.setattr("storage.sequences._PAGE", page)
    monkeypatch.setattr("storage.sequences._OTHERS", page)
    events = some_events(seed, 25)
    wanted = [one for one in events if said(clause, one) and holds(events, one, steps)]
    wanted.sort(key=lambda one: one.id.hex)
    wanted.sort(key=lambda one: one.started_at, reverse=not first)
    question = Question("", clause, steps)
    with sessions.begin() as session:
        session.execute(delete(InteractionRow))
        add_interactions(session, interactions=events)
        pages = [answer(session, question, limit=4, offset=n) for n in range(0, 28, 4)]
        earliest = answer(session, replace(question, order=Order.FIRST))
    assert pages[0].total == len(wanted)
    if first:
        assert [row.interaction for row in earliest.rows] == wanted[:1]
    else:
        assert likeliest_first([row for one in pages for row in one.rows], wanted)
    positive = [step for step in steps if not step.negated]
    assert all(len(row.evidence) == len(positive) for one in pages for row in one.rows)


@pytest.mark.parametrize("order", [Order.NEWEST, Order.FIRST])
def test_joins_on_postgresql(postgres_url: str, order: Order) -> None:
    engine = make_engine(postgres_url)
    upgrade(engine)
    events = some_events(5, 40)
    put_down = Step(Relation.THEN, Clause(("put down",)), timedelta(seconds=9), person=Bound.SAME)
    question = Question("", Clause(("hold",)), (put_down,), order=order)
    wanted = [one for one in events if one.verb == "hold" and holds(events, one, question.steps)]
    wanted.sort(key=lambda one: one.id.hex)
    wanted.sort(key=lambda one: one.started_at, reverse=order is Order.NEWEST)
    with make_sessions(engine).begin() as session:
        add_interactions(session, interactions=events)
        found = answer(session, question)
    engine.dispose()
    assert wanted
    if order is Order.NEWEST:
        assert likeliest_first(found.rows, wanted)
    else:
        assert [row.interaction for row in found.rows] == wanted[:1]


def tell(sessions: sessionmaker[Session], *events: tuple[float, str, str, str, str]) -> None:
    """Second, person, verb, thing and its class."""
    told = [
        make_interaction(
            n,
            human_track=f"gate:0:{person}",
            verb=verb,
            object_track=f"gate:0:{thing}",
            object_class=name,
            started_at=NOON + timedelta(seconds=second),
            ended_at=NOON + timedelta(seconds=second + 1),
        )
        for n, (second, person, verb, thing, name) in enumerate(events)
    ]
    with sessions.begin() as session:
        add_interactions(session, interactions=told)


def look_up(sessions: sessionmaker[Session], question: str, **options: Any) -> Answer:
    with sessions() as session:
        now = NOON + timedelta(hours=1)
        return answer(session, understand_stored(session, question, now=now), **options)


def test_custody(sessions: sessionmaker[Session]) -> None:
    tell(
        sessions,
        (0, "1", "hold", "70", "box"),
        (2, "2", "hold", "70", "box"),
        (10, "2", "put down", "70", "box"),
        (20, "3", "put down", "80", "backpack"),
        (21, "3", "sit on", "90", "bench"),
        (30, "4", "sit on", "90", "bench"),
        (40, "4", "put down", "81", "backpack"),
        (50, "4", "pick up", "81", "backpack"),
    )
    handed = look_up(sessions, "who handed the box to whom")
    assert [row.cells[0] for row in handed.rows] == ["person 1 (gate)"]
    assert [one.human_track for one in handed.rows[0].evidence] == ["gate:0:2"]
    assert look_up(sessions, "who had the box last").rows[0].cells[0] == "person 2 (gate)"
    behind = look_up(sessions, "what was left behind")
    assert [row.cells[0] for row in behind.rows] == ["backpack", "box"]
    left = look_up(sessions, "someone sat on a bench and then left without the backpack")
    assert [row.interaction.human_track for row in left.rows] == ["gate:0:3"]
    chain = look_up(sessions, "who put down a backpack and then picked it up within 30 seconds")
    assert [row.interaction.object_track for row in chain.rows] == ["gate:0:81"]
    assert "person 4 (gate) pick up backpack 12:00:50" in chain.rows[0].cells


def test_what_was_held_and_carried_is_handed_over_once(sessions: sessionmaker[Session]) -> None:
    tell(
        sessions,
        (0, "1", "hold", "70", "box"),
        (0.5, "1", "carry", "70", "box"),
        (3, "2", "hold", "70", "box"),
        (60, "1", "hold", "70", "box"),
        (62, "2", "carry", "70", "box"),
    )
    assert look_up(sessions, "how often was the box handed over").number == 2


def test_numbers_and_yes_or_no(sessions: sessionmaker[Session]) -> None:
    tell(
        sessions,
        (0, "1", "put down", "70", "cup"),
        (5, "2", "put down", "70", "cup"),
        (9, "2", "put down", "71", "cup"),
        (12, "2", "hold", "72", "bottle"),
    )
    things = look_up(sessions, "how many cups were put down")
    assert (things.number, things.summary, len(things.rows)) == (2, "2 (3 times)", 3)
    assert look_up(sessions, "how many people put down a cup").number == 2
    times = look_up(sessions, "how often was a cup put down")
    assert (times.number, times.summary) == (3, "3 times")
    assert look_up(sessions, "did anyone hold a bottle").yes is True
    no = look_up(sessions, "did anyone hold a bottle yesterday")
    assert (no.yes, no.rows, no.summary) == (False, (), "no: nothing found")
    assert look_up(sessions, "how many cups were held").number == 0
    assert look_up(sessions, "who held something but not a bottle").total == 0


def test_a_long_search_ends_and_says_so(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ask", "answers"):
        monkeypatch.setattr(f"storage.{module}.MOST_COUNTED", 100)
    tell(sessions, *((n, "1", "hold", "70", "cup") for n in range(250)))
    found = look_up(sessions, "how many people held a cup")
    assert not found.complete
    assert "there is more than was looked at" in found.summary


def tell_boxes(sessions: sessionmaker[Session], *, left: bool) -> None:
    """A hundred boxes are put down and, but for the newest, taken again; much happens later."""
    boxes = [
        (2 * n + after, "1", verb, str(100 + n), "box")
        for n in range(100)
        for after, verb in enumerate(("put down", "pick up"))
    ]
    later = [(300 + n, "2", "hold", "90", "cup") for n in range(3000)]
    tell(sessions, *(boxes[:-1] if left else boxes), *later)


@pytest.mark.parametrize("most", [1500, 100_000])
def test_what_is_refuted_is_not_looked_for_any_further(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("storage.sequences._MOST_OTHERS", most)
    tell_boxes(sessions, left=False)
    found = look_up(sessions, "what was left behind")
    assert (found.total, found.complete) == (0, True)
    first = look_up(sessions, "who put down a box and then picked it up")
    assert (first.total, first.complete) == (100, True)


@pytest.mark.parametrize("most", [1500, 100_000])
def test_of_what_not_all_was_looked_through_nothing_is_told_but_that(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    monkeypatch.setattr("storage.sequences._MOST_OTHERS", most)
    tell_boxes(sessions, left=True)
    found = look_up(sessions, "what was left behind")
    enough = most > 3100
    assert (found.total, found.complete) == (int(enough), enough)
    assert enough is ("there is more than was looked at" not in found.summary)
