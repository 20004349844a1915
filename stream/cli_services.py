"""Commands around the pipeline: configuration, dashboard, and what this machine has."""

import importlib.metadata
import os
import platform
import secrets
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from configs.settings import CONFIG_VARIABLE, ENV_PREFIX, Settings, load
from models.errors import ModelError
from storage.errors import StorageError
from stream.addresses import redact
from stream.cli_options import ConfigOption, DatabaseOption
from stream.cli_output import show_rows
from stream.errors import StreamError

config_app = typer.Typer(help="Check and show the configuration.", no_args_is_help=True)

_ROOT = Path(__file__).parents[1]
_API_TOKEN = "HOI_API_TOKEN"  # as dashboard/serve.py reads it
_LIBRARIES = ("torch", "onnxruntime", "av", "supervision", "trackers", "transformers", "sqlalchemy")


@config_app.command("check")
def check_config(config: ConfigOption = None) -> None:
    """Say whether the configuration can be used."""
    settings = load(config)
    from stream.build import wanted_sources

    sources = wanted_sources(settings)
    typer.echo(f"good: {len(sources)} sources, settings {settings.hash}")


@config_app.command("show")
def show_config(config: ConfigOption = None) -> None:
    """Show every setting as file, environment and defaults make it; passwords are hidden."""
    rows = _flat("", load(config).model_dump(mode="json"))
    show_rows(("setting", "value"), rows)


HostOption = Annotated[str, typer.Option("--host", help="0.0.0.0: the whole network.")]


def dashboard(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8501,
) -> None:
    """Open the pages over the database; Ctrl-C ends them."""
    environment = _environment(load(config, database={"url": database}), config)
    page = str(_ROOT / "dashboard" / "app.py")
    options = ["--server.address", host, "--server.port", str(port), "--server.headless", "true"]
    options += ["--client.toolbarMode", "minimal", "--browser.gatherUsageStats", "false"]
    options += ["--theme.primaryColor", "#2f6f8f"]
    command = [sys.executable, "-m", "streamlit", "run", page, *options]
    os.execvpe(command[0], command, environment)  # so that who stops us stops the pages


def api(
    config: ConfigOption = None,
    database: DatabaseOption = None,
    host: HostOption = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=1, max=65535)] = 8502,
) -> None:
    """Answer over HTTP, read-only; the token is HOI_API_TOKEN, or a new one; Ctrl-C ends it."""
    settings = load(config, database={"url": database})
    from storage.database import make_engine
    from storage.maintenance import bring_up_to_date

    engine = make_engine(settings.database.url)
    bring_up_to_date(engine, settings.backups)
    engine.dispose()
    environment = _environment(settings, config)
    if not environment.get(_API_TOKEN):
        environment[_API_TOKEN] = secrets.token_urlsafe(24)
        typer.echo(f"token: {environment[_API_TOKEN]}")
    elif len(environment[_API_TOKEN]) < 16:
        raise StreamError(f"{_API_TOKEN} has fewer than 16 characters: choose a longer token")
    options = ["--host", host, "--port", str(port), "--log-level", "warning"]
    typer.echo(f"http://{host}:{port}/docs")
    sys.stdout.flush()
    command = [sys.executable, "-m", "uvicorn", "--factory", "dashboard.serve:serve", *options]
    os.execvpe(command[0], command, environment)


def _environment(settings: Settings, config: Path | None) -> dict[str, str]:
    """Of a program of ours that reads its settings there, and in the same file."""
    file = {} if config is None else {CONFIG_VARIABLE: str(config.absolute())}
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join([str(_ROOT), os.environ.get("PYTHONPATH", "")]),
        f"{ENV_PREFIX}DATABASE__URL": settings.database.url,
        f"{ENV_PREFIX}MEDIA": str(settings.media.absolute()),
        **file,
    }


def doctor(
    config: ConfigOption = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Only the exit code.")] = False,
) -> None:
    """Show versions, devices, bundles and whether the services answer; 1 if something fails."""
    settings = load(config)
    rows = [("python", platform.python_version(), True)]
    rows += [(name, importlib.metadata.version(name), True) for name in _LIBRARIES]
    rows += [_device(), _bundles(), _database(settings.database.url, settings.backups)]
    if settings.redis.url is not None:
        rows.append(_redis(settings.redis.url))
    if not quiet:
        show_rows(
            ("what", "", ""), [(what, text, "ok" if good else "FAILS") for what, text, good in rows]
        )
    raise typer.Exit(0 if all(good for _, _, good in rows) else 1)


def _device() -> tuple[str, str, bool]:
    from models.device import choose_device

    return "device", str(choose_device()), True


def _bundles() -> tuple[str, str, bool]:
    from models.bundle import find_bundles, load_bundle

    names = sorted(find_bundles())
    try:
        for name in names:
            load_bundle(name)
    except ModelError as error:
        return "bundles", str(error), False
    return "bundles", ", ".join(names) or "none", bool(names)


def _database(url: str, backups: Path) -> tuple[str, str, bool]:
    from storage.database import make_engine, shown
    from storage.maintenance import bring_up_to_date

    try:
        engine = make_engine(url)
        bring_up_to_date(engine, backups)
        engine.dispose()
    except StorageError as error:
        return "database", str(error), False
    return "database", shown(url), True


def _redis(url: str) -> tuple[str, str, bool]:
    from storage.bus import Bus

    try:
        bus = Bus(url)
        bus.ping()
        bus.close()
    except StorageError as error:
        return "redis", str(error), False
    return "redis", redact(url), True


def _flat(prefix: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, dict) and value:
        return [row for key, inner in value.items() for row in _flat(f"{prefix}.{key}", inner)]
    if isinstance(value, list) and value:
        return [row for n, inner in enumerate(value) for row in _flat(f"{prefix}.{n}", inner)]
    return [(prefix.lstrip("."), redact(str(value)))]
