"""`stream db`: the schema, copies, size, and what is too old to keep."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from configs.settings import Settings, load
from stream.cli_options import ConfigOption, DatabaseOption
from stream.cli_output import show_rows

db_app = typer.Typer(help="Look after the database.", no_args_is_help=True)


@db_app.command("upgrade")
def upgrade_database(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Create the database or bring it to the newest schema; an older one is copied before."""
    from storage.maintenance import bring_up_to_date

    settings = load(config, database={"url": database})
    with _engine(settings) as (engine, name):
        bring_up_to_date(engine, settings.backups)
        typer.echo(f"{name} is up to date")


@db_app.command("downgrade")
def downgrade_database(
    revision: Annotated[str, typer.Argument(help="Such as 0001, as `stream db stats` shows it.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Bring the schema back for an older program; what that one does not know is lost."""
    from storage.database import downgrade
    from storage.maintenance import keep_copy

    settings = load(config, database={"url": database})
    with _engine(settings) as (engine, name):
        keep_copy(engine, settings.backups)
        downgrade(engine, revision)
        typer.echo(f"{name} has schema {revision}")


@db_app.command("backup")
def backup_database(
    target: Annotated[Path, typer.Argument(help="A new file.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Copy the database while it is in use: an SQLite file, or pg_dump's custom format."""
    from storage.maintenance import backup

    with _engine(load(config, database={"url": database})) as (engine, name):
        backup(engine, target)
        typer.echo(f"{target}: copy of {name}, {_bytes(target.stat().st_size)}")


@db_app.command("restore")
def restore_database(
    source: Annotated[Path, typer.Argument(help="What `stream db backup` wrote.")],
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace what the database holds now.")
    ] = False,
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Bring a backup back. Stop every run first."""
    from storage.maintenance import restore

    with _engine(load(config, database={"url": database})) as (engine, name):
        restore(engine, source, overwrite=overwrite)
        typer.echo(f"{name} is as it was in {source}")


@db_app.command("prune")
def prune_database(
    days: Annotated[float, typer.Option("--days", min=0, help="Keep what is younger.")],
    config: ConfigOption = None,
    database: DatabaseOption = None,
) -> None:
    """Delete old interactions with their pictures, clips and vectors, and stray files."""
    from storage.database import make_sessions
    from storage.maintenance import bring_up_to_date
    from storage.retention import prune, sweep_orphans

    settings, now = load(config, database={"url": database}), datetime.now(UTC)
    with _engine(settings) as (engine, name):
        bring_up_to_date(engine, settings.backups)
        sessions = make_sessions(engine)
        deleted = prune(sessions, settings.media, before=now - timedelta(days=days))
        swept = sweep_orphans(sessions, settings.media, before=now - timedelta(days=1))
        typer.echo(f"{name}: {deleted} interactions and {swept} stray files deleted")


@db_app.command("vacuum")
def vacuum_database(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Give the space of deleted rows back to the disk."""
    from storage.maintenance import vacuum

    with _engine(load(config, database={"url": database})) as (engine, name):
        vacuum(engine)
        typer.echo(f"{name} is compact")


@db_app.command("stats")
def show_statistics(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Show what the database holds."""
    from storage.database import make_sessions
    from storage.maintenance import bring_up_to_date, read_stats

    settings = load(config, database={"url": database})
    with _engine(settings) as (engine, name):
        bring_up_to_date(engine, settings.backups)
        stats = read_stats(engine, make_sessions(engine))
    rows = [
        ("database", name),
        ("schema", stats.revision or ""),
        ("size", _bytes(stats.bytes)),
        ("runs", f"{stats.runs:,}"),
        ("interactions", f"{stats.interactions:,}, {stats.open:,} of them open"),
        ("pair vectors", f"{stats.pair_vectors:,}"),
    ]
    if stats.oldest is not None and stats.newest is not None:
        rows.append(("from, to", f"{stats.oldest:%Y-%m-%d %H:%M}, {stats.newest:%Y-%m-%d %H:%M}"))
    rows += [(f"camera {camera}", f"{number:,}") for camera, number in stats.by_camera.items()]
    show_rows(("what", ""), rows)


@db_app.command("runs")
def show_runs(config: ConfigOption = None, database: DatabaseOption = None) -> None:
    """Show the newest runs of the program."""
    from storage.database import make_sessions
    from storage.maintenance import bring_up_to_date
    from storage.run_rows import recent_runs

    settings = load(config, database={"url": database})
    with _engine(settings) as (engine, _):
        bring_up_to_date(engine, settings.backups)
        with make_sessions(engine)() as session:
            runs = recent_runs(session)
    rows = [
        (
            run.id.hex[:8],
            f"{run.started_at:%Y-%m-%d %H:%M:%S}",
            f"{run.ended_at - run.started_at}".partition(".")[0] if run.ended_at else "",
            run.bundle,
            run.config,
            ", ".join(run.sources),
        )
        for run in runs
    ]
    show_rows(("run", "started", "took", "bundle", "settings", "sources"), rows)


@contextmanager
def _engine(settings: Settings) -> Iterator[tuple[Any, str]]:
    """The engine and its URL as it may be shown."""
    from storage.database import make_engine, shown

    engine = make_engine(settings.database.url)
    try:
        yield engine, shown(settings.database.url)
    finally:
        engine.dispose()


def _bytes(number: int) -> str:
    return f"{number / 1e6:,.1f} MB" if number >= 1e5 else f"{number:,} bytes"
