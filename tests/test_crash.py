"""Nothing lost, nothing twice: a writer of events is killed again and again, at any point."""

import json
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Protocol, cast

import numpy as np
import pytest
import redis
from sqlalchemy import text

from storage.bus import STREAM
from storage.database import make_engine
from tests.servers.writer import event

WRITER = Path(__file__).parent / "servers" / "writer.py"
EVENTS = 20_000

Writer = subprocess.Popen[str]


class RedisServer(Protocol):
    url: str
    port: int


def as_halves(stored: bytes | str) -> list[float]:
    """What SQLite and PostgreSQL give for a vector without any type of ours."""
    if isinstance(stored, str):
        return [float(number) for number in stored.strip("[]").split(",")]
    return [float(number) for number in np.frombuffer(stored, "<f2")]


def write(
    folder: Path, database: str, server: str, first: int, count: int, *, migrate: bool = False
) -> Writer:
    command = [sys.executable, str(WRITER), str(folder), database, server]
    command += [str(first), str(count), str(int(migrate))]
    root = str(Path(__file__).parents[1])
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env={"PYTHONPATH": root, "PATH": "/usr/bin"}
    )


def kill_somewhere(process: Writer, rng: random.Random, *, migrating: bool) -> list[int]:
    """Kill it at a random point of migration or work; the numbers it had told by then."""
    assert process.stdout is not None
    told = process.stdout.readline()
    assert told == "migrating\n"
    if not migrating:
        told = process.stdout.readline()
    time.sleep(rng.uniform(0, 0.2 if migrating else 0.6))
    process.kill()
    rest, _ = process.communicate()
    complete = (told + rest).rpartition("\n")[0]
    return [int(line) for line in complete.splitlines() if line.isdecimal()]


@pytest.mark.timeout(600)
@pytest.mark.parametrize(
    "kills", [5, pytest.param(50, marks=pytest.mark.slow)], ids=["few", "many"]
)
@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_every_event_that_was_taken_arrives_once(
    kills: int,
    kind: str,
    tmp_path: Path,
    redis_server: RedisServer,
    request: pytest.FixtureRequest,
) -> None:
    rng = random.Random(kills)
    database = f"sqlite:///{tmp_path / 'events.db'}"
    if kind == "postgresql":
        database = str(request.getfixturevalue("postgres_url"))
    taken = first = 0
    for kill in range(kills):
        migrating = kill % 3 == 1
        writer = write(tmp_path, database, redis_server.url, first, EVENTS, migrate=migrating)
        if told := kill_somewhere(writer, rng, migrating=migrating):
            taken += told[-1] + 1 - first
            first = told[-1] + 1
    last = write(tmp_path, database, redis_server.url, first, 0)
    assert last.wait(120) == 0

    engine = make_engine(database)
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, phase, end_reason, vector FROM interactions"))
        found = {str(row.id).replace("-", ""): row for row in rows}
        count = connection.execute(text("SELECT count(*) FROM interactions")).scalar_one()
    engine.dispose()
    expected = {}
    for number in range(first):
        expected[event(number).id.hex] = event(number)
    assert taken == first > 0
    assert count == len(found)  # and of the old ones none is left
    assert len(found) - len(expected) in range(15)  # written and not told of: one append at most
    for key, interaction in expected.items():
        row = found[key]
        # a kill after the commit and before it is told may have written more than was told of
        later = key == event(first - 1).id.hex
        assert later or (row.phase, row.end_reason) == (interaction.phase, interaction.end_reason)
        assert interaction.vector is not None
        assert as_halves(row.vector) == interaction.vector.tolist()

    client = redis.Redis(port=redis_server.port, decode_responses=True)
    messages = cast(list[tuple[str, dict[str, str]]], client.xrange(STREAM))
    phases = {(m["id"], m["phase"]) for _, m in messages}
    assert {(str(e.id), str(e.phase)) for e in map(event, range(first))} <= phases
    assert all(json.loads(m["json"])["id"] == m["id"] for _, m in messages)
    keys = [m["key"] for _, m in messages]
    assert len(keys) == len(set(keys)), "in doubt, the relay looks before it sends again"
