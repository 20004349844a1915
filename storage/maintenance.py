"""Looking after a database: copies of it, its size, and what is too old to keep."""

import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import Engine, func, select, text

from storage.database import Sessions, current_revision, shown
from storage.errors import StorageError
from storage.repository import delete_ended_before
from storage.tables import InteractionRow, RunRow

_BATCH = 500  # rows of one transaction, so that a writer never waits long


@dataclass(frozen=True)
class Stats:
    """What a database holds."""

    revision: str | None
    runs: int
    interactions: int
    open: int
    oldest: datetime | None
    newest: datetime | None
    bytes: int
    by_camera: dict[str, int]


def read_stats(engine: Engine, sessions: Sessions) -> Stats:
    with sessions() as session:
        row = InteractionRow
        oldest, newest = session.execute(
            select(func.min(row.started_at), func.max(row.ended_at))
        ).one()
        cameras = select(row.camera, func.count()).group_by(row.camera).order_by(row.camera)
        return Stats(
            revision=current_revision(engine),
            runs=session.scalar(select(func.count()).select_from(RunRow)) or 0,
            interactions=session.scalar(select(func.count()).select_from(row)) or 0,
            open=session.scalar(select(func.count()).where(row.phase != "end")) or 0,
            oldest=oldest,
            newest=newest,
            bytes=_size(engine),
            by_camera=dict(session.execute(cameras).tuples().all()),
        )


def backup(engine: Engine, target: Path) -> None:
    """A consistent copy while others write: an SQLite file, or pg_dump's custom format."""
    if target.exists():
        raise StorageError(f"backup {target} exists already")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"backup {target}: {error.strerror}") from error
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(part),))
    else:
        _pg("pg_dump", engine, "--format=custom", f"--file={part}")
    os.replace(part, target)


def restore(engine: Engine, source: Path, *, overwrite: bool = False) -> None:
    """Bring a backup back; no program may use the database meanwhile."""
    if not source.is_file():
        raise StorageError(f"backup {source}: there is no such file")
    if engine.dialect.name != "sqlite":
        _pg("pg_restore", engine, "--clean", "--if-exists", "--single-transaction", str(source))
        return
    place = Path(str(engine.url.database))
    if place.exists() and not overwrite:
        raise StorageError(f"database {place} exists: give --overwrite to replace it")
    engine.dispose()
    part = place.with_name(place.name + ".part")
    shutil.copyfile(source, part)
    for suffix in ("-wal", "-shm"):
        place.with_name(place.name + suffix).unlink(missing_ok=True)
    os.replace(part, place)


def prune(
    sessions: Sessions,
    media: Path,
    *,
    before: datetime,
    on_batch: Callable[[int], None] = lambda _: None,
) -> int:
    """Delete interactions that ended before, their pictures and clips; returns how many."""
    deleted = 0
    while True:
        with sessions.begin() as session:
            gone = delete_ended_before(session, before=before, limit=_BATCH)
        for place in (name for row in gone for name in row if name is not None):
            _remove(media, place)
        deleted += len(gone)
        on_batch(deleted)
        if len(gone) < _BATCH:
            return deleted


def sweep_orphans(sessions: Sessions, media: Path, *, before: datetime) -> int:
    """Delete pictures older than `before` that no row names; returns how many."""
    removed = 0
    for day in sorted((media / "snapshots").glob("*")):
        files = [f for f in day.glob("*.jpg") if f.stat().st_mtime < before.timestamp()]
        with sessions() as session:
            names = {f"snapshots/{day.name}/{file.name}": file for file in files}
            kept = set(
                session.scalars(
                    select(InteractionRow.snapshot).where(InteractionRow.snapshot.in_(names))
                )
            )
        for name in set(names) - kept:
            names[name].unlink(missing_ok=True)
            removed += 1
        if not any(day.iterdir()):
            day.rmdir()
    return removed


def vacuum(engine: Engine) -> None:
    """Give the space of deleted rows back."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")


def _remove(media: Path, place: str) -> None:
    """A file below the media folder; a place that leads out of it is left alone."""
    path = (media / place).resolve()
    if path.is_relative_to(media.resolve()):
        path.unlink(missing_ok=True)


def _size(engine: Engine) -> int:
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            pages, size = (
                connection.exec_driver_sql(f"PRAGMA {name}").scalar_one()
                for name in ("page_count", "page_size")
            )
            return int(pages) * int(size)
        return int(connection.scalar(text("SELECT pg_database_size(current_database())")) or 0)


def _pg(tool: str, engine: Engine, *options: str) -> None:
    """PostgreSQL's own tool; the password goes by environment, where no process list shows it."""
    if shutil.which(tool) is None:
        raise StorageError(f"{tool} is not installed: apt-get install postgresql-client")
    url = engine.url
    environment = dict(os.environ)
    if url.password is not None:
        environment["PGPASSWORD"] = str(url.password)
    plain = url.set(drivername="postgresql", password=None).render_as_string(hide_password=False)
    done = subprocess.run(
        [tool, f"--dbname={plain}", *options],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise StorageError(f"{tool} of {shown(url)}: {lines[0]}")
