"""What a media folder holds is deleted by the database whose it is, and by no other."""

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from storage.database import make_engine, make_sessions, upgrade
from storage.interactions import Interaction, Phase
from storage.outbox import Outbox, claim_outbox
from storage.repository import add_interactions, find_interactions
from storage.retention import Keeper, Limits, prune, shrink, sweep_orphans
from storage.runs import RunDatabase, RunFacts
from tests.test_interactions import make_interaction

Sessions = sessionmaker[Session]
NOW = datetime.now(UTC)
LONG_AGO = NOW - timedelta(days=30)


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Sessions]:
    """A second database."""
    engine = make_engine(f"sqlite:///{tmp_path / 'other.db'}")
    upgrade(engine)
    yield make_sessions(engine)
    engine.dispose()


def run(sessions: Sessions, media: Path, *, started_at: datetime = LONG_AGO) -> None:
    """The beginning of a run that stores files there."""
    facts = RunFacts({"gate": "rtsp://gate"}, "b" * 12, "c" * 12, started_at)
    with closing(claim_outbox(media)) as outbox:
        RunDatabase(sessions, outbox, facts, lambda: None).begin()


def make(number: int, *, clip: bool = False, **changes: object) -> Interaction:
    one = make_interaction(number, **changes)
    files = {"snapshot": f"snapshots/2026-05-01/{one.id}.jpg"}
    files |= {"clip": f"clips/2026-05-01/{one.id}.mp4"} if clip else {}
    return make_interaction(number, **{**files, **changes})


def write(media: Path, *names: str | None, age: timedelta = timedelta(days=7)) -> None:
    for name in filter(None, names):
        path = media / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(bytes(1000))
        written = (datetime.now(UTC) - age).timestamp()
        os.utime(path, (written, written))


def store(sessions: Sessions, media: Path, *events: Interaction) -> None:
    with sessions.begin() as session:
        add_interactions(session, interactions=events)
    for event in events:
        write(media, event.snapshot, event.clip)


def files(media: Path) -> set[str]:
    found = (path for path in media.rglob("*") if path.suffix in (".jpg", ".mp4"))
    return {path.relative_to(media).as_posix() for path in found}


def all_of(sessions: Sessions) -> list[Interaction]:
    with sessions() as session:
        return list(find_interactions(session, limit=10_000, oldest_first=True))


def test_files_without_a_row_go_once_they_are_old(tmp_path: Path, sessions: Sessions) -> None:
    run(sessions, tmp_path)
    kept = make(1)
    store(sessions, tmp_path, kept)
    write(tmp_path, make(7).snapshot, "clips/2026-05-01/x.mp4", age=timedelta(hours=2))
    assert sweep_orphans(sessions, tmp_path, before=NOW - timedelta(days=1)) == 0
    assert sweep_orphans(sessions, tmp_path, before=NOW - timedelta(hours=1)) == 2
    assert files(tmp_path) == {kept.snapshot}
    sweep_orphans(sessions, tmp_path, before=datetime.now(UTC) + timedelta(seconds=5))
    assert not (tmp_path / "clips" / "2026-05-01").exists()


def test_files_of_another_database_stay(
    tmp_path: Path, sessions: Sessions, other: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    run(sessions, tmp_path)
    mine = make(1, clip=True)
    store(sessions, tmp_path, mine)
    run(other, tmp_path)
    assert "another database has files" in caplog.text
    for keeper in (other, sessions):
        Keeper(keeper, tmp_path, Limits(days=100_000)).keep()
    assert files(tmp_path) == {mine.snapshot, mine.clip}


def test_files_from_before_it_was_written_down_whose_they_are_stay(
    tmp_path: Path, sessions: Sessions
) -> None:
    old = make(1).snapshot
    write(tmp_path, old)
    Keeper(sessions, tmp_path, Limits()).keep()
    run(sessions, tmp_path, started_at=NOW)
    Keeper(sessions, tmp_path, Limits()).keep()
    assert files(tmp_path) == {old}


def test_files_of_a_database_that_was_moved_away_stay(
    tmp_path: Path, sessions: Sessions, other: Sessions
) -> None:
    """The new one has its name, but none of its runs."""
    run(sessions, tmp_path)
    store(sessions, tmp_path, make(1))
    Keeper(other, tmp_path, Limits()).keep()
    assert len(files(tmp_path)) == 1


@pytest.mark.parametrize("refused", [False, True])
def test_files_of_events_that_wait_in_an_outbox_stay(
    refused: bool, tmp_path: Path, sessions: Sessions
) -> None:
    """Their database was away for longer than a day; then it is back, and its keeper is first."""
    run(sessions, tmp_path)
    waits, stray = make(1, clip=True), make(2).snapshot
    write(tmp_path, waits.snapshot, waits.clip, stray)
    with closing(Outbox(tmp_path / "outbox-3.db")) as outbox:
        outbox.append([waits])
        if refused:
            outbox.set_aside("database x", outbox.read(after=0, limit=1)[0], "why")
            outbox.register([])
            outbox.prune([])
    assert sweep_orphans(sessions, tmp_path, before=NOW - timedelta(days=1)) == 1
    assert files(tmp_path) == {waits.snapshot, waits.clip}


def test_pictures_and_clips_stay_below_their_limit(tmp_path: Path, sessions: Sessions) -> None:
    events = [make(n, clip=n % 2 == 0) for n in range(100)]
    store(sessions, tmp_path, *events)
    assert shrink(sessions, tmp_path, media_bytes=150_000) == 0
    shrink(sessions, tmp_path, media_bytes=90_000)
    left = all_of(sessions)
    assert left == events[-len(left) :]  # the newest
    assert 50 < len(left) <= 60
    assert files(tmp_path) == {name for one in left for name in (one.snapshot, one.clip) if name}


def test_only_rows_whose_files_free_something_go(
    tmp_path: Path, sessions: Sessions, other: Sessions
) -> None:
    """Not those without files, not those that are open, and none for what another fills."""
    bare, lost = make_interaction(0, snapshot=None), make_interaction(1)
    going_on, old, new = make(2, phase=Phase.UPDATE), make(3), make(4)
    store(sessions, tmp_path, going_on, old, new)
    with sessions.begin() as session:
        add_interactions(session, interactions=[bare, lost])
    store(other, tmp_path, *(make(n, camera="door") for n in range(50)))
    assert shrink(sessions, tmp_path, media_bytes=3000) == 0
    assert shrink(sessions, tmp_path, media_bytes=1000) == 2
    assert all_of(sessions) == [bare, lost, going_on]
    assert len(files(tmp_path)) == 51


def test_in_a_shared_folder_age_takes_what_a_database_s_own_rows_name(
    tmp_path: Path, sessions: Sessions, other: Sessions, caplog: pytest.LogCaptureFixture
) -> None:
    """An id says camera, tracks, start, bundle and settings: only of the same video are files both
    databases', and of these the second one is told at its first run."""
    mine, of_both, theirs = make(1, clip=True), make(2, clip=True), make(3, camera="door")
    run(sessions, tmp_path)
    store(sessions, tmp_path, mine, of_both)
    run(other, tmp_path)
    store(other, tmp_path, of_both, theirs)
    assert "of the same video goes when the first of them deletes it" in caplog.text
    assert prune(sessions, tmp_path, before=NOW) == 2
    assert all_of(sessions) == []
    assert all_of(other) == [of_both, theirs], "without its picture"
    assert files(tmp_path) == {theirs.snapshot}
    assert prune(other, tmp_path, before=NOW) == 2, "what is gone already is no trouble"
    assert files(tmp_path) == set()
