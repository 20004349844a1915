"""`stream replay`: a recording watched again, beside the events of an earlier run."""

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from configs.settings import Camera, Settings, load
from storage.errors import StorageError
from storage.interactions import Interaction
from stream.cli_options import (
    BundleOption,
    ConfigOption,
    DatabaseOption,
    DetectorOption,
    JsonOption,
)
from stream.cli_output import show_rows
from stream.errors import StreamError


def replay(
    source: Annotated[str, typer.Argument(help="A video file.")],
    diff: Annotated[
        str | None,
        typer.Option(help="JSON lines of an earlier run, or a run of `stream db runs`."),
    ] = None,
    config: ConfigOption = None,
    bundle: BundleOption = None,
    detector: DetectorOption = None,
    database: DatabaseOption = None,
    json: JsonOption = False,
) -> None:
    """Watch a recording again, storing nothing; show what changed since an earlier run."""
    settings = load(
        config,
        cameras=(Camera.model_construct(url=source),),
        bundle=bundle,
        detector=detector,
        database={"url": database},
    )
    from stream.addresses import name_of
    from stream.replay import compare

    old = None if diff is None else _earlier(diff, settings, name_of(source))
    code, new = _watch(settings, json_lines=json)
    if old is None or code:
        if not json:
            show_rows(_COLUMNS, [_row("", event) for event in new])
        raise typer.Exit(code)
    found = compare(old, new)
    rows = [(event.media_start, _row("gained", event)) for event in found.gained]
    rows += [(event.media_start, _row("lost", event)) for event in found.lost]
    rows += [
        (before.media_start, _row(f"moved from {_when(before)}", after))
        for before, after in found.moved
    ]
    if not json:
        show_rows(_COLUMNS, [row for _, row in sorted(rows)])
    typer.echo(
        f"{len(found.same)} same, {len(found.gained)} gained, {len(found.lost)} lost, "
        f"{len(found.moved)} moved",
        err=json,
    )


_COLUMNS = ("change", "seconds", "did", "what", "score")


def _watch(settings: Settings, *, json_lines: bool) -> tuple[int, list[Interaction]]:
    """Exit code and ended events, from a run that leaves nothing behind."""
    from stream.cli_run import run_pipeline

    events: list[Interaction] = []
    with tempfile.TemporaryDirectory() as folder:
        away = {
            "database": settings.database.model_copy(update={"url": f"sqlite:///{folder}/run.db"}),
            "redis": settings.redis.model_copy(update={"url": None}),
            "media": Path(folder) / "media",
            "clips": settings.clips.model_copy(update={"enabled": False}),
        }
        code = run_pipeline(
            settings.model_copy(update=away), json_lines=json_lines, on_event=events.append
        )
    return code, events


def _earlier(diff: str, settings: Settings, camera: str) -> list[Interaction]:
    path = Path(diff)
    if not path.is_file():
        return _of_run(diff, settings, camera)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        return [Interaction.from_json(line) for line in lines if line.strip()]
    except (ValueError, KeyError, TypeError, OSError) as error:
        raise StreamError(f"{diff}: not the output of `stream run --json`") from error


def _of_run(name: str, settings: Settings, camera: str) -> list[Interaction]:
    from storage.database import make_engine, make_sessions
    from storage.maintenance import bring_up_to_date
    from storage.repository import events_of_run
    from storage.run_rows import find_run

    engine = make_engine(settings.database.url)
    try:
        bring_up_to_date(engine, settings.backups)
        with make_sessions(engine)() as session:
            run = find_run(session, prefix=name)
            if run is None:
                raise StorageError(f"--diff {name}: no such file, and no such run: stream db runs")
            return list(events_of_run(session, run=run, camera=camera))
    finally:
        engine.dispose()


def _row(change: str, event: Interaction) -> tuple[str, ...]:
    return change, _when(event), event.verb, event.object_class, f"{event.peak_score:.2f}"


def _when(event: Interaction) -> str:
    if event.media_end == event.media_start:
        return f"{event.media_start:.1f}"
    return f"{event.media_start:.1f} - {event.media_end:.1f}"
