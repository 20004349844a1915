"""Engines and sessions for SQLite and PostgreSQL, and the schema brought up to date."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, DataError, IntegrityError
from sqlalchemy.orm import Session, sessionmaker

from storage.errors import RefusedError, StorageError, UnreachableError
from storage.filesystems import refuse_network

BUSY_SECONDS = 10.0  # a writer waits this long for another one
_NOT_YET = ("starting up", "shutting down", "recovery mode", "too many")  # a server's words
_MIGRATION_LOCK = 0x686F69  # "hoi": one upgrade at a time, over all processes of a server

ReadSession = Session  # for those who only read, and need a name for it
Sessions = sessionmaker[Session]


def make_engine(url: str) -> Engine:
    """Connects at first use; from then on every driver error is a `StorageError` of one line."""
    parsed = _parse(url)
    if parsed.get_backend_name() == "sqlite":
        _prepare_folder(parsed)
        options: dict[str, Any] = {"connect_args": {"timeout": BUSY_SECONDS}}
    else:
        options = {"pool_pre_ping": True, "connect_args": {"connect_timeout": 10}}
    try:
        engine = create_engine(parsed, **options)
    except ModuleNotFoundError as error:
        raise StorageError(f"{error}: pip install 'hoi-stream[postgres]'") from error
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", _configure_sqlite)
    event.listen(engine, "handle_error", _to_ours)
    return engine


def make_sessions(engine: Engine) -> sessionmaker[Session]:
    return sessionmaker(engine, expire_on_commit=False)


def current_revision(engine: Engine) -> str | None:
    """Of the schema; None: there is none yet."""
    with engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(engine: Engine, *, before: Callable[[str], None] = lambda _: None) -> None:
    """Create or migrate the schema; safe when several processes start at once.

    `before` is called with the old revision when a schema that holds data is about to change.
    """
    config = _alembic()
    scripts = ScriptDirectory.from_config(config)
    old = current_revision(engine)
    if old == scripts.get_current_head():
        return
    if old is not None:
        if old not in {script.revision for script in scripts.walk_revisions()}:
            raise StorageError(
                f"database {shown(engine.url)} was made by a newer version of this program"
            )
        before(old)
    _migrate(engine, lambda: command.upgrade(config, "head"), config)


def downgrade(engine: Engine, revision: str) -> None:
    """Bring the schema back to an earlier revision, `base`: nothing of it is left."""
    config = _alembic()
    _migrate(engine, lambda: command.downgrade(config, revision), config)


def _alembic() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    return config


def _migrate(engine: Engine, step: Callable[[], None], config: Config) -> None:
    try:
        with engine.connect() as connection:
            if engine.dialect.name == "sqlite":
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            else:
                connection.execute(text("SELECT pg_advisory_xact_lock(:k)"), {"k": _MIGRATION_LOCK})
            config.attributes["connection"] = connection
            step()
            connection.commit()
    except CommandError as error:
        raise StorageError(f"database {shown(engine.url)}: {one_line(error)}") from error


def shown(url: URL | str) -> str:
    """The URL without its password, fit for a log line."""
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError):
        return re.sub(r"//[^/]*@", "//***@", str(url))
    secret = {name: "***" for name in parsed.query if "pass" in name or "key" in name}
    return parsed.update_query_dict(secret).render_as_string(hide_password=True)


def _parse(url: str) -> URL:
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise StorageError(
            f"database URL {shown(url)!r} cannot be read: "
            "write sqlite:////path/to/events.db or postgresql://user@host/name"
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in ("sqlite", "sqlite+pysqlite", "postgresql+psycopg"):
        raise StorageError(f"database {shown(parsed)}: only sqlite and postgresql are supported")
    return parsed


def _prepare_folder(url: URL) -> None:
    if not url.database or url.database == ":memory:" or "mode" in url.query:
        raise StorageError("a database in memory keeps nothing: give a file, sqlite:////path")
    path = Path(url.database)
    if path.is_dir():
        raise StorageError(f"database {path} is a folder: give a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(f"folder {path.parent} cannot be made: {error.strerror}") from error
    refuse_network(path)


def _configure_sqlite(connection: Any, _record: object) -> None:
    # FULL: the outbox forgets what has been committed here.
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")


def _to_ours(context: ExceptionContext) -> StorageError | None:
    if context.sqlalchemy_exception is None:
        return None
    url = context.engine.url if context.engine is not None else None
    return _kind(context)(
        f"database {shown(url) if url else ''}: {one_line(context.original_exception, url)}"
    )


def _kind(context: ExceptionContext) -> type[StorageError]:
    if isinstance(context.sqlalchemy_exception, DataError | IntegrityError):
        return RefusedError
    message = str(context.original_exception)
    answered = "FATAL" in message and not any(word in message for word in _NOT_YET)
    connecting = context.connection is None and context.dialect.name == "postgresql"
    return UnreachableError if connecting and not answered else StorageError


def one_line(error: BaseException, url: URL | None = None) -> str:
    """First line of a driver's message, without the password."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    message = lines[0] if lines else type(error).__name__
    password = url.password if url is not None else None
    return message.replace(str(password), "***") if password else message
