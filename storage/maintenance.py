"""Looking after a database: its size, copies of it, and its schema brought up to date with one."""

import logging
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import Engine, func, select, text

from storage.database import BUSY_SECONDS, Sessions, current_revision, shown, upgrade
from storage.errors import StorageError
from storage.tables import InteractionRow, PairVectorRow, RunRow

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Stats:
    """What a database holds."""

    revision: str | None
    runs: int
    interactions: int
    open: int
    pair_vectors: int
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
            pair_vectors=session.scalar(select(func.count()).select_from(PairVectorRow)) or 0,
            oldest=oldest,
            newest=newest,
            bytes=_size(engine),
            by_camera=dict(session.execute(cameras).tuples().all()),
        )


def bring_up_to_date(engine: Engine, folder: Path) -> None:
    """Create or migrate the schema; what is there is copied into the folder before it changes."""
    upgrade(engine, before=lambda _: keep_copy(engine, folder))


def keep_copy(engine: Engine, folder: Path) -> None:
    """A backup named after schema and time; without pg_dump only a warning."""
    sqlite = engine.dialect.name == "sqlite"
    if not sqlite and shutil.which("pg_dump") is None:
        logger.warning("no copy before the schema changes: pg_dump is not installed")
        return
    name = f"schema-{current_revision(engine)}-{datetime.now(UTC):%Y%m%dT%H%M%S%f}"
    target = folder / f"{name}.{'db' if sqlite else 'dump'}"
    backup(engine, target)
    logger.info("the database as it was is kept in %s", target)


def backup(engine: Engine, target: Path) -> None:
    """A consistent copy while others write: an SQLite file, or pg_dump's custom format."""
    if target.exists():
        raise StorageError(f"backup {target} exists already")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"backup {target}: {error.strerror}") from error
    part = target.with_name(f"{target.name}.{os.getpid()}.part")
    part.unlink(missing_ok=True)
    if engine.dialect.name == "sqlite":
        with engine.connect() as connection:
            connection.exec_driver_sql("VACUUM INTO ?", (str(part),))
    else:
        _pg("pg_dump", engine, "--format=custom", f"--file={part}")
    os.replace(part, target)


def restore(engine: Engine, source: Path, *, overwrite: bool = False) -> None:
    """Bring a backup back, in one transaction; what others write meanwhile is lost."""
    if not source.is_file():
        raise StorageError(f"backup {source}: there is no such file")
    if engine.dialect.name != "sqlite":
        _pg("pg_restore", engine, "--clean", "--if-exists", "--single-transaction", str(source))
        return
    place = Path(str(engine.url.database))
    if place.exists() and not overwrite:
        raise StorageError(f"database {place} exists: give --overwrite to replace it")
    try:  # inside of a transaction of the database, whoever else has it open
        with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as copy:
            copy.execute("SELECT count(*) FROM interactions")
            with closing(sqlite3.connect(place, timeout=BUSY_SECONDS)) as database:
                copy.backup(database)
    except sqlite3.Error as error:
        raise StorageError(f"backup {source}: {error}") from error


def vacuum(engine: Engine) -> None:
    """Give the space of deleted rows back."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("VACUUM")


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
