"""Nothing is lost between an event and its sinks, whatever dies in between."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from storage.bus import Bus
from storage.database import make_engine, make_sessions
from storage.errors import RefusedError, StorageError
from storage.interactions import EndReason, Interaction, Phase
from storage.outbox import Outbox, OutboxRow, claim_outbox
from storage.relay import DatabaseSink, RedisSink, Relay, recover
from storage.repository import add_interactions, find_interactions
from storage.tables import PairVectorRow
from storage.track_rows import find_tracks
from storage.tracks import Track
from tests.test_interactions import NOON, make_interaction
from tests.test_maintenance import make_vector


class ListSink:
    """Takes rows in memory; `broken` and `refuses` say what it does with the next ones."""

    def __init__(self, name: str = "list") -> None:
        self.name = name
        self.broken = False
        self.refuses: str | None = None
        self.taken: list[Interaction] = []

    def send(self, rows: Sequence[OutboxRow], *, in_doubt: bool) -> None:
        del in_doubt
        if self.broken:
            raise StorageError(f"{self.name} is down")
        events = [row.record for row in rows if isinstance(row.record, Interaction)]
        if any(event.verb == self.refuses for event in events):
            raise RefusedError("not this verb")
        self.taken += events


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.db")
    yield outbox
    outbox.close()


def stored(sessions: sessionmaker[Session]) -> list[Interaction]:
    with sessions() as session:
        return list(find_interactions(session, limit=10_000))


def test_events_come_back_in_order_with_their_vectors(outbox: Outbox) -> None:
    events = [make_interaction(n) for n in range(3)]
    outbox.append(events)
    rows = outbox.read(after=1, limit=10)
    assert [row.record for row in rows] == events[1:]
    assert len({row.key for row in rows}) == 2
    first = rows[0].record
    assert isinstance(first, Interaction)
    assert np.array_equal(np.asarray(first.vector), np.asarray(events[1].vector))


def test_a_second_process_is_kept_out_and_gets_its_own(tmp_path: Path, outbox: Outbox) -> None:
    with pytest.raises(StorageError, match="in use by another run"):
        Outbox(outbox.path)
    first, second = claim_outbox(tmp_path / "all"), claim_outbox(tmp_path / "all")
    assert first.path != second.path
    first.close()
    assert claim_outbox(tmp_path / "all").path == first.path
    second.close()


def test_a_file_that_is_no_outbox_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_bytes(b"junk" * 5000)
    with pytest.raises(StorageError, match=r"x\.db: file is not a database"):
        Outbox(tmp_path / "x.db")


def test_all_is_delivered_when_flush_returns(
    outbox: Outbox, sessions: sessionmaker[Session]
) -> None:
    events = [make_interaction(n) for n in range(1200)]
    with Relay(outbox, [DatabaseSink(sessions)]) as relay:
        for start in range(0, 1200, 100):
            outbox.append(events[start : start + 100])
        assert relay.flush(timeout=60)
        assert [state.waiting for state in relay.backlog().values()] == [0]
    assert stored(sessions) == events[::-1]
    assert outbox.read(after=0, limit=1) == []  # delivered rows do not pile up


def test_a_sink_that_is_down_gets_everything_in_order_when_it_is_back(outbox: Outbox) -> None:
    well, ill = ListSink("well"), ListSink("ill")
    ill.broken = True
    events = [make_interaction(n) for n in range(20)]
    with Relay(outbox, [well, ill]) as relay:
        outbox.append(events)
        assert not relay.flush(timeout=0.5)
        assert relay.backlog()["ill"].waiting == 20
        assert relay.backlog()["ill"].error == "ill is down"
        assert relay.backlog()["well"].waiting == 0
        ill.broken = False
        assert relay.flush(timeout=10)
        assert relay.backlog()["ill"].error is None
    assert well.taken == ill.taken == events


def test_one_row_that_is_refused_does_not_hold_up_the_others(outbox: Outbox) -> None:
    sink = ListSink()
    sink.refuses = "poison"
    events = [make_interaction(0), make_interaction(1, verb="poison"), make_interaction(2)]
    with Relay(outbox, [sink]) as relay:
        outbox.append(events)
        assert relay.flush(timeout=10)
        assert relay.backlog()["list"].refused == 1
    assert sink.taken == [events[0], events[2]]


def test_a_locked_database_gets_the_events_when_it_is_free(
    outbox: Outbox, database: str, sessions: sessionmaker[Session]
) -> None:
    blocker = make_engine(database).connect()
    blocker.exec_driver_sql("BEGIN IMMEDIATE")
    free = threading.Timer(1.0, blocker.rollback)
    with Relay(outbox, [DatabaseSink(sessions)]) as relay:
        outbox.append([make_interaction()])
        free.start()
        assert relay.flush(timeout=30)
    free.join()
    assert stored(sessions) == [make_interaction()]


def test_a_missing_database_does_not_stop_the_program(outbox: Outbox) -> None:
    engine = make_engine("postgresql://me@127.0.0.1:1/events")
    started = time.monotonic()
    with Relay(outbox, [DatabaseSink(make_sessions(engine))]) as relay:
        outbox.append([make_interaction()])
        assert not relay.flush(timeout=0.5)
    assert time.monotonic() - started < 5
    assert len(outbox.read(after=0, limit=10)) == 1


def test_a_sink_that_comes_later_gets_only_what_comes_later(outbox: Outbox) -> None:
    old, new = ListSink("old"), ListSink("new")
    old.broken = True
    with Relay(outbox, [old]):
        outbox.append([make_interaction(1)])
    old.broken = False
    with Relay(outbox, [old, new]) as relay:
        outbox.append([make_interaction(2)])
        assert relay.flush(timeout=10)
    assert len(old.taken) == 2
    assert new.taken == [make_interaction(2)]


WRITER = """
import sys
from pathlib import Path
from storage.interactions import Phase
from storage.outbox import Outbox
from tests.test_interactions import NOON, make_interaction
from tests.test_maintenance import make_vector

outbox = Outbox(Path(sys.argv[1]))
for number in range(1_000_000):
    outbox.append([make_interaction(number, phase=Phase(sys.argv[2]))])
    print(number, flush=True)
"""


def write_and_kill(path: Path, *, phase: Phase, least: int) -> int:
    """Start a writer, kill -9 it after some events; returns how many appends had returned."""
    repo = Path(__file__).parent.parent
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), phase.value],
        stdout=subprocess.PIPE,
        cwd=repo,
        env=os.environ | {"PYTHONPATH": str(repo)},
    )
    assert writer.stdout is not None
    for _ in range(least):
        assert writer.stdout.readline()
    writer.send_signal(signal.SIGKILL)
    rest = writer.stdout.read().splitlines()
    writer.wait()
    return least + len(rest)


@pytest.mark.parametrize("least", [1, 40, 173])
def test_kill_9_between_append_and_relay_loses_nothing(
    tmp_path: Path, sessions: sessionmaker[Session], least: int
) -> None:
    path = tmp_path / "outbox.db"
    appended = write_and_kill(path, phase=Phase.END, least=least)
    outbox = Outbox(path)
    with Relay(outbox, [DatabaseSink(sessions)]) as relay:
        assert relay.flush(timeout=60)
    outbox.close()
    found = stored(sessions)[::-1]
    assert appended <= len(found) <= appended + 1  # one may be on disk and not yet told
    assert found == [make_interaction(n) for n in range(len(found))]


def test_after_a_crash_open_events_are_closed_at_the_last_observed_time_in_every_sink(
    tmp_path: Path, sessions: sessionmaker[Session]
) -> None:
    path = tmp_path / "outbox.db"
    write_and_kill(path, phase=Phase.START, least=3)
    with sessions.begin() as session:
        add_interactions(session, interactions=[make_interaction(0, phase=Phase.START)])
    outbox, other = Outbox(path), ListSink()
    with Relay(outbox, [DatabaseSink(sessions), other]) as relay:
        assert relay.flush(timeout=30)
        closed = recover(outbox, sessions, cameras=["gate"])
        assert relay.flush(timeout=30)
    outbox.close()
    found = stored(sessions)
    assert len(closed) == len(found) >= 3
    assert {event.end_reason for event in found} == {EndReason.CRASH}
    for event in found:
        number = round(event.media_start - 10)
        assert event.ended_at == make_interaction(number).ended_at
    ends = [event for event in other.taken if event.phase is Phase.END]
    assert {event.id for event in ends} == {event.id for event in found}


def test_a_full_outbox_takes_events_and_leaves_samples_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    box = Outbox(tmp_path / "outbox.db", most_bytes=200_000)
    sample = make_vector()
    of_event = replace(sample, moment="start", interaction=make_interaction().id)
    box.append([sample])
    assert box.last == 1
    box.append([make_interaction(n) for n in range(400)])
    assert box.bytes > 200_000
    box.append([sample, make_interaction(400), of_event])
    assert (box.last, box.left_out) == (403, 1)
    assert caplog.text.count("samples are left out") == 1
    sink = ListSink()
    with Relay(box, [sink]) as relay:
        assert relay.flush(timeout=30)
    assert box.bytes < 200_000  # there is room again
    box.append([sample])
    assert box.last == 404
    box.close()


def make_track(frames: int) -> Track:
    last = NOON + timedelta(seconds=frames)
    return Track("gate:0:3", "gate", "person", NOON, last, 1.0, 1.0 + frames, frames, "b" * 64)


def test_vectors_and_tracks_go_through_the_outbox_to_the_database_and_not_to_redis(
    outbox: Outbox, sessions: sessionmaker[Session], redis_server: Any
) -> None:
    with closing(Bus(redis_server.url)) as bus:
        with Relay(outbox, [DatabaseSink(sessions), RedisSink(bus)]) as relay:
            outbox.append([make_vector(), make_interaction(), make_vector(), make_vector(1)])
            outbox.append([make_track(9), make_track(5)])  # in any order
            assert relay.flush(timeout=30)
        assert [message.interaction for message in bus.read()] == [make_interaction()]
    with sessions() as session:
        rows = session.scalars(select(PairVectorRow).order_by(PairVectorRow.taken_at)).all()
    assert [row.id for row in rows] == [make_vector().id, make_vector(1).id]  # each once
    assert np.array_equal(rows[0].vector, make_vector().vector)
    with sessions() as session:
        assert find_tracks(session) == [make_track(9)]
    assert tuple(rows[0].human_box) == make_vector().human_box
