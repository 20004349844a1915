"""An open verb is asked of no more vectors than anybody waits for, and every door says so."""

import json
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.orm import Session, sessionmaker
from typer.testing import CliRunner

from storage import horizon, open_verbs
from storage.ask import Answer, OpenVerbs, answer
from storage.filters import Filters
from storage.horizon import find_horizon
from storage.question import Bound, Clause, Form, Order, Question, Relation, Step
from storage.repository import add_interactions
from storage.track_rows import add_pair_vectors
from storage.vector_rows import count_vectors
from stream.cli import app
from tests.test_dashboard import Open, open_page, text_of
from tests.test_interactions import NOON, make_interaction
from tests.test_open_doors import QUESTION, client, stored
from tests.test_open_verbs import Spoken, sample
from tests.test_scale import Plans

__all__ = ["client", "open_page", "stored"]  # fixtures
Sessions = sessionmaker[Session]
JUGGLE = Clause(phrases=("juggle",))
LOOKED = "looked at the newest 3 samples, back to 2026-05-01 12:00:10+00:00"


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def ask(sessions: Sessions, question: Question, **given: Any) -> Answer:
    with sessions() as session:
        return answer(session, question, open_verbs=OpenVerbs(Spoken()), **given)


def began(told: Answer) -> list[float]:
    return sorted((row.interaction.started_at - NOON).total_seconds() for row in told.rows)


@pytest.fixture
def hours(both: Sessions, monkeypatch: pytest.MonkeyPatch) -> Sessions:
    """Somebody juggles at the full hours 0 to 9, and no more than the vectors of four are read."""
    monkeypatch.setattr(horizon, "MOST_READ", 4)
    with both.begin() as session:
        add_pair_vectors(session, vectors=[sample(3600 * hour, 3.0) for hour in range(10)])
    return both


def test_the_newest_are_looked_at_and_it_says_how_far_back(hours: Sessions) -> None:
    told = ask(hours, Question("", JUGGLE))
    assert began(told) == [3600 * hour for hour in (6, 7, 8, 9)]
    assert "newest 4 samples, back to 2026-05-01 18:00:00+00:00; for more" in told.summary
    assert not told.complete
    before = ask(hours, Question("", JUGGLE), until=at(5 * 3600))
    assert began(before) == [3600 * hour for hour in (2, 3, 4, 5)]
    all_of_it = ask(hours, Question("", JUGGLE), since=at(6 * 3600))
    assert (began(all_of_it), all_of_it.complete) == (began(told), True)
    assert "looked at" not in all_of_it.summary
    assert ", or of one camera" in told.summary
    assert "of one camera" not in ask(hours, Question("", JUGGLE, camera="gate")).summary


def test_the_first_is_looked_for_among_the_oldest(hours: Sessions) -> None:
    told = ask(hours, Question("", JUGGLE, order=Order.FIRST))
    assert began(told) == [0]
    assert "oldest 4 samples, up to 2026-05-01 15:00:00+00:00" in told.summary


def test_no_is_not_said_of_what_was_not_looked_at(hours: Sessions) -> None:
    with hours.begin() as session:
        add_pair_vectors(session, vectors=[sample(86_400 + n, -3.0) for n in range(4)])
    told = ask(hours, Question("", JUGGLE, form=Form.YES_NO))
    assert (told.total, told.yes) == (0, None)
    assert told.summary.startswith("not known: nothing found; looked at the newest 4 samples")
    told = ask(hours, Question("", JUGGLE, form=Form.YES_NO), until=at(86_000))
    assert told.yes is True


def test_a_step_is_looked_for_nearest_first(hours: Sessions) -> None:
    held = make_interaction(1, verb="hold", human_track="gate:0:3", bundle="b", started_at=at(9000))
    with hours.begin() as session:
        add_interactions(session, interactions=[held])
    then = Step(Relation.THEN, JUGGLE, person=Bound.SAME)
    told = ask(hours, Question("", Clause(("hold",)), (then,)))
    assert [one.started_at for one in told.rows[0].evidence] == [at(3 * 3600)]
    assert "oldest 4 samples, up to 2026-05-01 18:00:00+00:00" in told.summary


@pytest.mark.parametrize(("relation", "seen"), [(Relation.THEN, 8.5), (Relation.AFTER, 0.5)])
def test_what_was_not_looked_at_is_not_told_as_not_done(
    hours: Sessions, relation: Relation, seen: float
) -> None:
    """Who holds something at 0:30 and 8:30 juggles before and after; one of these is far away."""
    held = [
        make_interaction(3600 * hour, verb="hold", bundle="b", vector=None) for hour in (0.5, 8.5)
    ]
    with hours.begin() as session:
        add_interactions(session, interactions=held)
    did_not = Step(relation, JUGGLE, person=Bound.SAME, negated=True)
    asked = Question("", Clause(("hold",)), (did_not,), form=Form.YES_NO)
    told = ask(hours, asked)
    assert (told.rows, told.yes, told.complete) == ((), None, False)
    assert told.summary.startswith("not known: nothing found; looked at the ")
    near = {"since": at(3600 * seen - 60), "until": at(3600 * seen + 60)}
    told = ask(hours, asked, **near)
    assert (told.rows, told.yes, told.complete) == ((), False, True)
    other = replace(did_not, person=Bound.OTHER)
    told = ask(hours, replace(asked, steps=(other,)), **near)
    assert (len(told.rows), told.yes, told.complete) == (1, True, True)


def test_what_did_not_happen_after_the_newest_is_known(hours: Sessions) -> None:
    never_held = Step(Relation.THEN, Clause(("hold",)), person=Bound.SAME, negated=True)
    told = ask(hours, Question("", JUGGLE, (never_held,), form=Form.YES_NO))
    assert (len(told.rows), told.yes, told.complete) == (4, True, False)


def test_what_is_counted_for_chance_is_bounded_as_well(hours: Sessions) -> None:
    with hours() as session:
        found = find_horizon(session, "b", {})
        assert found is not None
        assert count_vectors(session, "b", found.narrowed({})) == 4
        assert find_horizon(session, "b", {"object_classes": ["cup", "car"]}) is None
        assert find_horizon(session, "b", {"camera": "hall"}) is None
        person = find_horizon(session, "b", {"camera": "hall", "human": "gate:0:3"})
        assert person == replace(found, any_camera=False), (
            "the index of people knows nothing of cameras"
        )


def counts_of(sessions: Sessions, question: Question, **given: Any) -> tuple[int, Answer]:
    """How often an answer counts up to the bound, and the answer."""
    sent = list[Any]()

    def note(_c: Any, _cursor: Any, _statement: str, parameters: Any, *_: Any) -> None:
        sent.append(parameters)

    with sessions() as session:
        engine = session.get_bind().engine
        event.listen(engine, "before_cursor_execute", note)
        told = answer(session, question, open_verbs=OpenVerbs(Spoken(), per_day=2.0), **given)
        event.remove(engine, "before_cursor_execute", note)
    return sum(horizon.MOST_READ - 1 in tuple(one) for one in sent), told


def test_what_is_only_shown_beside_an_answer_is_not_counted_to_the_bound(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_verbs, "_MOST_WEAK", 3)
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=[sample(60 * n, 3.0) for n in range(8)])
    counts, told = counts_of(sessions, Question("", Clause(("hold",))), less_sure=5)
    assert (counts, told.less_sure) == (0, ())


def test_the_bound_of_a_question_is_looked_for_once(sessions: Sessions) -> None:
    rng = np.random.default_rng(1)
    logits = [*rng.normal(-3, 1, 400), 8.0]
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=[sample(60 * n, x) for n, x in enumerate(logits)])
    counts, told = counts_of(sessions, Question("", JUGGLE))
    assert told.expected is not None, "or nothing is counted for it"
    assert counts == 1


@pytest.mark.parametrize(
    "filters", [{}, {"camera": "gate"}, {"object_classes": ["car", "cup"]}, {"person": 3}]
)
def test_the_bound_is_found_by_an_index_alone(sessions: Sessions, filters: Filters) -> None:
    with sessions() as session, Plans(session.get_bind().engine) as plans:
        find_horizon(session, "b", filters)
        steps = plans.steps()
    reads = [step for step in steps if "pair_vectors" in step]
    assert reads
    assert all("COVERING INDEX" in step for step in reads)
    assert "USE TEMP B-TREE FOR ORDER BY" not in steps


@pytest.mark.parametrize("upwards", [False, True])
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    logits=st.lists(st.sampled_from([-3.0, 3.0]), min_size=1, max_size=12),
    most=st.integers(1, 12),
    camera=st.sampled_from([None, "gate", "hall"]),
)
def test_inside_the_bound_nothing_is_lost(
    sessions: Sessions,
    monkeypatch: pytest.MonkeyPatch,
    logits: list[float],
    most: int,
    camera: str | None,
    upwards: bool,
) -> None:
    """The same rows as without a bound, asked of the time that was looked at."""
    names = [("gate", "hall")[n % 3 == 0] for n in range(len(logits))]
    vectors = [
        sample(60 * n, logit, camera=name, human_track=f"{name}:0:3", object_track=f"{name}:0:4")
        for n, (name, logit) in enumerate(zip(names, logits, strict=True))
    ]
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=vectors)
        question = Question("", JUGGLE, camera=camera)
        monkeypatch.setattr(horizon, "MOST_READ", most)
        known = OpenVerbs(Spoken())
        looked = find_horizon(session, "b", {"camera": camera, "oldest_first": upwards})
        passing = sum(camera in (None, name) for name in names)
        assert (looked is not None) == (passing > most)
        order = Order.FIRST if upwards else Order.NEWEST
        told = answer(session, replace(question, order=order), open_verbs=known)
        assert told.horizon == looked
        monkeypatch.setattr(horizon, "MOST_READ", 1000)
        bounds: dict[str, Any] = (
            {} if looked is None else {"since": looked.since, "until": looked.until}
        )
        whole = answer(session, replace(question, order=order), open_verbs=known, **bounds)
        assert told.rows == whole.rows
        assert whole.complete
        session.rollback()


@pytest.fixture
def little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(horizon, "MOST_READ", 3)


@pytest.mark.usefixtures("little", "stored")
def test_the_command_line_says_so(database: str) -> None:
    command = ["ask", QUESTION, "--database", database]
    told = CliRunner().invoke(app, command)
    assert LOOKED in " ".join(told.stdout.split())
    told = CliRunner().invoke(app, [*command, "--json"])
    end = {"samples": 3, "since": at(10).isoformat(), "until": None}
    assert json.loads(told.stdout)["horizon"] == end
    assert LOOKED in told.stderr
    until = at(10).isoformat()
    told = CliRunner().invoke(app, [*command, "--json", "--until", until])
    assert json.loads(told.stdout)["horizon"] is None


@pytest.mark.usefixtures("little")
def test_the_http_api_says_so(client: TestClient) -> None:
    told = client.get("/ask", params={"q": QUESTION}).json()
    assert datetime.fromisoformat(told["horizon"]["since"]) == at(10)
    assert (told["horizon"]["samples"], told["complete"]) == (3, False)
    assert LOOKED in told["summary"]


@pytest.mark.usefixtures("little", "stored")
def test_the_page_says_so(open_page: Open) -> None:
    page = open_page(QUESTION)
    assert not page.exception
    assert LOOKED in text_of(page)
