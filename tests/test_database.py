"""Engines: what is refused and how it is said, and the schema on both databases."""

from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text

from storage.database import make_engine, make_sessions, shown, upgrade
from storage.errors import StorageError
from storage.filesystems import filesystem_of, refuse_network
from storage.repository import latest
from storage.tables import Base


def assert_schema_is_the_tables(url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    upgrade(engine)  # a second time changes nothing
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Base.metadata) == []
        assert set(inspect(connection).get_table_names()) >= {"runs", "interactions"}
    engine.dispose()


def test_migrations_make_the_tables_in_sqlite(tmp_path: Path) -> None:
    assert_schema_is_the_tables(f"sqlite:///{tmp_path}/new/folder/events.db")


def test_migrations_make_the_tables_in_postgresql(postgres_url: str) -> None:
    assert_schema_is_the_tables(postgres_url)


def test_a_database_of_a_newer_program_is_refused_by_name(database: str) -> None:
    engine = make_engine(database)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StorageError, match=r"events\.db was made by a newer version"):
        upgrade(engine)


def test_sqlite_waits_and_does_not_block_readers(database: str) -> None:
    with make_engine(database).connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA foreign_keys")).scalar() == 1
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2  # FULL


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("events.db", "cannot be read"),
        ("postgresql://me:hunter2@host:port/x", "cannot be read"),
        ("mysql://root:hunter2@db/x", "only sqlite and postgresql"),
        ("sqlite://", "in memory"),
        ("sqlite:////proc/nothing/here/events.db", "cannot be made"),
        ("sqlite:////tmp", "is a folder"),
    ],
)
def test_a_bad_url_is_one_line_without_password(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as error:
        make_engine(url)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def test_an_unreachable_server_is_one_line_without_password() -> None:
    engine = make_engine("postgresql://me:hunter2@127.0.0.1:1/events?sslpassword=hunter2")
    with pytest.raises(StorageError, match=r"127\.0\.0\.1") as error:
        upgrade(engine)
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "holiday.jpg"
    path.write_bytes(b"\xff\xd8" * 4096)
    with pytest.raises(StorageError, match=r"holiday\.jpg: file is not a database"):
        upgrade(make_engine(f"sqlite:///{path}"))


def test_a_database_without_schema_is_one_line(tmp_path: Path) -> None:
    sessions = make_sessions(make_engine(f"sqlite:///{tmp_path}/empty.db"))
    with sessions() as session, pytest.raises(StorageError, match="no such table"):
        latest(session)


def test_passwords_are_not_shown() -> None:
    assert shown("postgresql://me:hunter2@host/x") == "postgresql://me:***@host/x"
    assert "hunter2" not in shown("postgresql://me@host/x?password=hunter2")


def test_network_file_systems_are_refused_by_name(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda / ext4 rw 0 0\n"
        f"nas:/a {tmp_path}/my\\040share nfs4 rw 0 0\n"
        f"/dev/sdb {tmp_path}/my\\040share/local xfs rw 0 0\n"
    )
    assert filesystem_of(tmp_path / "x.db", mounts) == "ext4"
    assert filesystem_of(tmp_path / "my share" / "local" / "x.db", mounts) == "xfs"
    with pytest.raises(StorageError, match=r"network file system \(nfs4\)"):
        refuse_network(tmp_path / "my share" / "x.db", mounts)
