"""The command line: its commands, its errors in one line each, its exit codes.

Commands are thin: they parse, call one function and show what comes back. What is heavy is imported
by the command that needs it, so that `stream --help` is quick.
"""

import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from configs.settings import Camera, SettingsError, load
from models.errors import ModelError
from storage.errors import StorageError
from stream import (
    cli_alerts,
    cli_bench,
    cli_db,
    cli_demo,
    cli_evaluate,
    cli_models,
    cli_replay,
    cli_services,
    cli_train,
    cli_train_cmmp,
)
from stream.cli_options import (
    BundleOption,
    ConfigOption,
    DatabaseOption,
    DetectorOption,
    JsonOption,
)
from stream.cli_output import complain, set_up_logging
from stream.errors import StreamError

EXIT_ERROR, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130

app = typer.Typer(
    help="Who did what with what: human-object interactions from live and recorded video.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command()(cli_demo.demo)
app.command()(cli_replay.replay)
app.command()(cli_services.dashboard)
app.command()(cli_services.api)
app.command()(cli_services.doctor)
app.add_typer(cli_services.config_app, name="config")
app.add_typer(cli_alerts.alerts_app, name="alerts")
app.add_typer(cli_db.db_app, name="db")
app.add_typer(cli_models.app, name="models")
app.add_typer(cli_bench.bench_app, name="bench")
cli_train.train_app.command("cmmp")(cli_train_cmmp.train_cmmp)
app.add_typer(cli_train.world_app, name="world")
app.add_typer(cli_train.train_app, name="train")
app.add_typer(cli_evaluate.app, name="evaluate")


@app.command()
def run(
    source: Annotated[
        list[str] | None,
        typer.Option("--source", "-s", help="File, folder, glob, URL or /dev/video0; repeatable."),
    ] = None,
    bundle: BundleOption = None,
    detector: DetectorOption = None,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    redis: Annotated[
        str | None, typer.Option("--redis", help="Send events to this Redis, too: redis://... .")
    ] = None,
    save_video: Annotated[
        Path | None, typer.Option("--save-video", help="Write the video with what was found.")
    ] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Serve /metrics, /live, /ready at :9108 .")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Watch videos and cameras; find and keep who did what with what."""
    settings = load(
        config,
        cameras=tuple(Camera.model_construct(url=url) for url in source) if source else None,
        bundle=bundle,
        detector=detector,
        database={"url": database},
        redis={"url": redis},
        metrics={"address": metrics},
    )
    from stream.cli_run import run_pipeline

    watched = None if source else config  # cameras of the command line stay
    raise typer.Exit(run_pipeline(settings, config=watched, save_video=save_video, json_lines=json))


@app.command()
def ask(
    question: Annotated[str, typer.Argument(help='For example "who picked up what".')],
    since: Annotated[
        str | None, typer.Option("--since", help="No older than 90s, 15m, 1h, 2d or a date.")
    ] = None,
    until: Annotated[str | None, typer.Option("--until", help="No newer than that.")] = None,
    camera: Annotated[str | None, typer.Option("--camera", help="Of this camera alone.")] = None,
    limit: Annotated[
        int | None,
        typer.Option("--limit", min=1, help="Rows; else 50, and with --json or --csv 10,000."),
    ] = None,
    offset: Annotated[int, typer.Option("--offset", min=0, help="Rows to leave out first.")] = 0,
    config: ConfigOption = None,
    database: DatabaseOption = None,
    json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object, as /ask of `stream api`.")
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the table as CSV.")] = False,
    per_day: Annotated[
        float,
        typer.Option("--per-day", min=0.001, help="False alarms a day of verbs nobody configured."),
    ] = 2.0,
) -> None:
    """Answer a question about what was seen; exit code 1 if it is not understood."""
    if json and csv:
        raise typer.BadParameter("--json or --csv, not both")
    from stream.cli_ask import Choice, ask_and_tell

    choice = Choice(
        since=parse_since(since),
        until=parse_since(until, option="--until"),
        camera=camera,
        per_day=per_day,
        limit=limit,
        offset=offset,
        form="json" if json else "csv" if csv else "table",
    )
    settings = load(config, database={"url": database})
    raise typer.Exit(0 if ask_and_tell(settings, question, choice) else EXIT_ERROR)


def parse_since(
    text: str | None, now: datetime | None = None, *, option: str = "--since"
) -> datetime | None:
    """`90s`, `15m`, `1h`, `2d` ago, or an ISO date or time (UTC unless it says otherwise)."""
    if text is None:
        return None
    units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
    unit, number = units.get(text[-1:].lower()), text[:-1]
    try:
        if unit is not None:
            return (now or datetime.now(UTC)) - timedelta(**{unit: float(number)})
        moment = datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{option} {text!r}: write 90s, 15m, 1h, 2d or a date") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def main(arguments: Sequence[str] | None = None) -> None:
    """The console entry point: every error a user can mend is one line and exit code 1 or 2."""
    set_up_logging()
    # Read when torch is loaded: its threads must not burn, while they wait, the core that another
    # stage needs. On two busy cores this doubles the frame rate.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    command = typer.main.get_command(app)
    try:
        code = command.main(
            None if arguments is None else list(arguments), "stream", standalone_mode=False
        )
    except (StreamError, ModelError, StorageError, SettingsError) as error:
        complain(str(error))
        code = EXIT_ERROR
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:  # the reader of our output has seen enough
        sys.stderr.close()
        code = EXIT_ERROR
    except Exception as error:
        if type(error).__name__ == "Abort":
            code = EXIT_INTERRUPTED
        elif hasattr(error, "format_message"):  # click's, or the one that Typer brings along
            context = getattr(error, "ctx", None)
            path = context.command_path if context is not None else "stream"
            complain(f"{error.format_message()} (see {path} --help)".replace("\n", " "))
            code = EXIT_USAGE
        else:
            raise
    sys.exit(code or 0)
