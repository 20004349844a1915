"""No question reads a whole table, however many rows there are."""

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, event
from sqlalchemy.orm import Session

from storage.ask import answer, understand_stored
from storage.database import make_engine, make_sessions, upgrade
from storage.deletions import delete_ended_before
from storage.names import verbs_seen
from storage.repository import (
    count_by_verb,
    count_interactions,
    find_interactions,
    latest,
    open_interactions,
)
from storage.synthetic import DAYS, FIRST_DAY, VERBS, fill
from stream.bench_queries import QUESTIONS, time_retention

ROWS = 60_000
START = datetime.fromisoformat(FIRST_DAY).replace(tzinfo=UTC)
NOW = START + timedelta(days=DAYS)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    """A database with many rows."""
    if request.param == "sqlite":
        engine = make_engine(f"sqlite:///{tmp_path_factory.mktemp('many') / 'events.db'}")
    else:
        engine = make_engine(request.getfixturevalue("postgres_server"))
        with engine.begin() as connection:
            connection.exec_driver_sql("DROP SCHEMA public CASCADE")
            connection.exec_driver_sql("CREATE SCHEMA public")
    upgrade(engine)
    fill(engine, ROWS)
    yield engine
    engine.dispose()


class Plans:
    """Explains every statement that is sent meanwhile."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._sent = engine, list[tuple[str, Any]]()

    def __enter__(self) -> "Plans":
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _c: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "WITH", "DELETE")):
            self._sent.append((statement, parameters))

    def steps(self) -> list[str]:
        """Of all plans."""
        explain = "EXPLAIN QUERY PLAN" if self._engine.dialect.name == "sqlite" else "EXPLAIN"
        with self._engine.connect() as connection:
            return [
                str(row[-1])
                for statement, parameters in self._sent
                for row in connection.exec_driver_sql(f"{explain} {statement}", parameters)
            ]

    def full_scans(self) -> list[str]:
        """Steps that read all rows of a table in no order."""
        scan = re.compile(r"SCAN interactions(?! USING)|.*Seq Scan on interactions")
        return [step for step in self.steps() if scan.match(step)]


def test_the_plans_see_a_full_scan(engine: Engine) -> None:
    with Plans(engine) as plans, engine.connect() as connection:
        connection.exec_driver_sql("SELECT avg(peak_score) FROM interactions").all()
    assert plans.full_scans()


@pytest.mark.parametrize("question", QUESTIONS)
def test_no_question_reads_everything(engine: Engine, question: str) -> None:
    with Plans(engine) as plans, make_sessions(engine)() as session:
        asked = understand_stored(session, question, now=NOW)
        assert asked.answerable
        answer(session, asked)
    assert plans.full_scans() == []


def test_no_page_reads_everything(engine: Engine) -> None:
    with Plans(engine) as plans, make_sessions(engine)() as session:
        assert set(verbs_seen(session)) == set(VERBS)
        assert len(latest(session)) == 20
        find_interactions(session, since=NOW - timedelta(days=1), limit=500)
        find_interactions(session, camera="camera5", verbs=["open", "pull"], limit=500)
        count_by_verb(session, most=100)
        open_interactions(session, cameras=["camera5"])
        delete_ended_before(session, before=START + timedelta(hours=1), limit=10)
        session.rollback()
    assert plans.full_scans() == []


def test_the_branches_find_what_one_plain_query_finds(engine: Engine) -> None:
    """The rows of a slow query without any cleverness."""
    since, until = START + timedelta(days=30), START + timedelta(days=31)
    cases: list[dict[str, Any]] = [
        {"verbs": ["hold", "eat"], "object_classes": ["cup", "knife"]},
        {"camera": "camera3", "verbs": ["open", "pull", "ride"], "since": since, "until": until},
        {"object_classes": ["bench"], "since": since},
        {"camera": "camera39", "until": until},
        {"person": 7, "verbs": ["hold"]},
        {"human": "Camera3:0:7"},
        {"since": NOW - timedelta(minutes=30)},  # those that last an hour, too
        {"verbs": []},
    ]
    with make_sessions(engine)() as session:
        for case in cases:
            found = find_interactions(session, limit=70, offset=5, **case)
            assert [one.id for one in found] == plain(session, case, 75)[5:], case
            assert count_interactions(session, **case) == len(plain(session, case, 10_000)), case
        assert count_interactions(session, most=100) == 100


def plain(session: Session, case: dict[str, Any], limit: int) -> list[Any]:
    from sqlalchemy import func, select

    from storage.tables import InteractionRow as Row

    query = select(Row.id)
    tests: dict[str, Callable[[Any], Any]] = {
        "camera": lambda v: Row.camera == v,
        "verbs": lambda v: Row.verb.in_(v),
        "object_classes": lambda v: Row.object_class.in_(v),
        "person": lambda v: Row.human_track.like(f"%:{v}"),
        "human": lambda v: func.lower(Row.human_track) == v.lower(),
        "since": lambda v: Row.ended_at >= v,
        "until": lambda v: Row.started_at <= v,
    }
    for name, value in case.items():
        query = query.where(tests[name](value))
    return list(session.scalars(query.order_by(Row.started_at.desc(), Row.id).limit(limit)))


def test_a_day_of_the_hundred_goes_in_batches(engine: Engine, tmp_path: Path) -> None:
    sessions = make_sessions(engine)
    with sessions() as session:
        before = count_interactions(session, most=10**9)
    deleted, _, _ = time_retention(sessions, tmp_path)
    assert deleted == pytest.approx(ROWS / DAYS, abs=1)
    with sessions() as session:
        written = count_interactions(session, camera="bench-of-storage")
        assert count_interactions(session, most=10**9) == before - deleted + written
