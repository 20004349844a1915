"""A run begins without its database, and all is there when the database is."""

import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from models.world.clip import write_clip
from storage.database import make_engine, make_sessions, upgrade
from storage.errors import StorageError
from storage.interactions import EndReason, Interaction, Phase
from storage.outbox import Outbox
from storage.relay import Relay
from storage.repository import find_interactions
from storage.run_rows import recent_runs
from storage.runs import RunDatabase, RunFacts
from tests.conftest import free_port
from tests.servers.toxic import ToxicProxy
from tests.test_interactions import make_interaction

ROOT = Path(__file__).parents[1]
FACTS = RunFacts({"gate": "rtsp://gate"}, "b" * 12, "c" * 12, datetime(2026, 5, 2, tzinfo=UTC))


def socket_of(postgres_url: str) -> str:
    return f"{parse_qs(urlsplit(postgres_url).query)['host'][0]}/.s.PGSQL.5432"


def stored(url: str) -> list[Interaction]:
    engine = make_engine(url)
    with make_sessions(engine)() as session:
        found = list(find_interactions(session, limit=1000))[::-1]
    engine.dispose()
    return found


def test_what_waits_for_the_database_comes_in_order(postgres_url: str, tmp_path: Path) -> None:
    port = free_port()
    engine = make_engine(f"postgresql://postgres@127.0.0.1:{port}/postgres")
    before = make_interaction(0, phase=Phase.START)  # by a run that died
    now = [make_interaction(n) for n in range(1, 50)] + [make_interaction(50, phase=Phase.START)]
    with closing(Outbox(tmp_path / "outbox.db")) as outbox:
        outbox.append([before])
        sessions = make_sessions(engine)
        database = RunDatabase(sessions, outbox, FACTS, lambda: upgrade(engine))
        assert not database.open()
        with Relay(outbox, [database]) as relay:
            outbox.append(now)
            assert not relay.flush(timeout=30, tries=2)
            with closing(ToxicProxy(socket_of(postgres_url), port)):
                assert relay.flush(timeout=30)
                assert relay.flush(timeout=30)  # and what its arrival brought about
                database.finish({"frames": 3})
                with sessions() as session:
                    (run,) = recent_runs(session)
                engine.dispose()
    assert (run.started_at, run.sources) == (FACTS.started_at, ("rtsp://gate",))
    assert run.ended_at is not None
    crashed = replace(before, phase=Phase.END, end_reason=EndReason.CRASH)
    assert stored(postgres_url) == [crashed, *now]


def test_what_waiting_does_not_mend_ends_the_run_at_once(postgres_url: str, tmp_path: Path) -> None:
    engine = make_engine(postgres_url.replace("/postgres?", "/nowhere?"))
    with closing(Outbox(tmp_path / "outbox.db")) as outbox:
        database = RunDatabase(make_sessions(engine), outbox, FACTS, lambda: upgrade(engine))
        with pytest.raises(StorageError, match=r'database "nowhere" does not exist'):
            database.open()
    engine.dispose()


def test_a_recording_is_watched_while_the_database_is_away(
    postgres_url: str, tmp_path: Path
) -> None:
    write_clip(tmp_path / "yard.mp4", 10_003, 6.0)
    port = free_port()
    url = f"postgresql://postgres@127.0.0.1:{port}/postgres"
    command = [sys.executable, "-m", "stream", "run", "-b", "world-boxes", "--database", url]
    told = [_run([*command, "-s", "yard.mp4", "--json"], tmp_path)]
    assert "events wait in the outbox for database" in told[0].stderr
    with closing(ToxicProxy(socket_of(postgres_url), port)):
        write_clip(tmp_path / "other.mp4", 10_004, 1.0)
        told.append(_run([*command, "-s", "other.mp4"], tmp_path))
    assert "wait" not in told[1].stderr
    ids = {str(event.id) for event in stored(postgres_url) if event.camera == "yard"}
    seen = {line.split('"id":"')[1][:36] for line in told[0].stdout.splitlines()}
    assert len(seen) >= 3
    assert ids == seen


def _run(command: list[str], folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env={"PYTHONPATH": str(ROOT), "PATH": "/usr/bin", "HOME": str(folder)},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
