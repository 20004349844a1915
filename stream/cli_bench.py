"""`stream bench`: what this machine carries, in numbers and ratios."""

import tempfile
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from configs.settings import Camera, load
from stream.cli_options import DatabaseOption
from stream.cli_output import errors_console, show_rows

if TYPE_CHECKING:
    from stream.build import Run

bench_app = typer.Typer(help="Measure this machine.", no_args_is_help=True)


@bench_app.command("cameras")
def bench_cameras(
    most: Annotated[int, typer.Option("--most", min=1, max=64, help="Cameras at the end.")] = 8,
    seconds: Annotated[float, typer.Option("--seconds", min=2, help="Of each step.")] = 20.0,
    rate: Annotated[
        float, typer.Option("--rate", help="Scored frames a second that every camera needs.")
    ] = 5.0,
    bundle: Annotated[str, typer.Option("--bundle", "-b")] = "world",
) -> None:
    """Local RTSP cameras of the drawn world, 12.5 frames/s each, more and more of them."""
    from stream.bench_cameras import bench_cameras as bench
    from stream.build import open_run

    def open_cameras(urls: Sequence[str], folder: Path) -> AbstractContextManager["Run"]:
        settings = load(
            None,
            cameras=tuple(Camera(url=url, name=f"camera{n}") for n, url in enumerate(urls)),
            bundle=bundle,
            database={"url": f"sqlite:///{folder / 'events.db'}"},
            media=folder / "media",
        )
        return open_run(settings)

    numbers = sorted({*(2**n for n in range(most.bit_length()) if 2**n <= most), most})
    console, carried = errors_console(), 0
    rows: list[tuple[str, ...]] = []
    first = None
    for load_ in bench(numbers, open_cameras, seconds=seconds):
        first = first or load_
        console.print(f"{load_.cameras} cameras: {load_.scored:.1f} scored frames/s each")
        if load_.scored >= rate:
            carried = load_.cameras
        frames = load_.scored * load_.cameras
        cost = (load_.cores / frames) / (first.cores / (first.scored * first.cameras))
        times = (load_.median, load_.p95, load_.p99, load_.detect)
        rows.append(
            (
                str(load_.cameras),
                *(f"{value:.1f}" for value in (load_.decoded, load_.scored, load_.dropped)),
                *(f"{value:.0f}" for value in times),
                f"{load_.batch:.1f}",
                f"{load_.cores:.2f}",
                f"{cost:.2f}",
                load_.bottleneck,
            )
        )
    columns: tuple[str, ...] = (
        *("cameras", "decoded", "scored", "dropped", "p50", "p95", "p99"),
        *("detect", "batch", "cores", "cost", "busiest"),
    )
    show_rows(columns, rows, title="frames/s of a camera, milliseconds, processors")
    typer.echo("cost: processor time of a scored frame, that with one camera being 1")
    typer.echo(f"carries {carried} cameras at {rate:g} scored frames a second")


@bench_app.command("storage")
def bench_storage(
    database: DatabaseOption = None,
    events: Annotated[int, typer.Option("--events", min=1000, help="For every row.")] = 20_000,
) -> None:
    """Events a second through the outbox: into a new SQLite file, and the given database."""
    from stream.bench_storage import bench_storage as bench

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        urls = [f"sqlite:///{folder / 'bench.db'}", *([database] if database else [])]
        rows = [
            (
                result.database,
                str(result.vector) if result.vector else "none",
                f"{result.appended:,.0f}",
                f"{result.delivered:,.0f}",
            )
            for number, url in enumerate(urls)
            for result in bench(url, folder / str(number), events=events)
        ]
    columns = ("database", "vector", "into the outbox", "into the database")
    show_rows(columns, rows, title="events a second, each durable")


@bench_app.command("queries")
def bench_queries(
    rows: Annotated[int, typer.Option("--rows", min=1000)] = 10_000_000,
    database: Annotated[
        str | None, typer.Option("--database", help="An empty one, or one filled by this before.")
    ] = None,
) -> None:
    """Questions over millions of made-up interactions, and a day of them deleted meanwhile."""
    from stream.bench_queries import open_filled, time_queries, time_retention

    console = errors_console()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = database or f"sqlite:///{folder / 'bench.db'}"
        sessions = open_filled(url, folder, rows, lambda done: console.print(f"{done:,} rows"))
        times = list(time_queries(sessions))
        deleted, seconds, longest = time_retention(sessions, folder)
    show_rows(
        ("query", "median", "p95"),
        [(one.query, f"{one.median:.1f}", f"{one.p95:.1f}") for one in times],
        title="milliseconds",
    )
    typer.echo(
        f"{deleted:,} interactions of one day deleted in {seconds:.1f} s; "
        f"ten new ones meanwhile took {longest:.0f} ms at most"
    )


@bench_app.command("ask")
def bench_ask(
    rows: Annotated[int, typer.Option("--rows", min=10_000)] = 1_000_000,
    database: Annotated[
        str | None, typer.Option("--database", help="An empty one, or one filled by this before.")
    ] = None,
    size: Annotated[int, typer.Option("--size", min=8, help="Numbers of a vector.")] = 128,
) -> None:
    """Verbs that nobody configured, asked of many stored vectors behind selective filters."""
    from stream.bench_ask import bench_ask as bench

    console = errors_console()
    with tempfile.TemporaryDirectory() as name:
        url = database or f"sqlite:///{Path(name) / 'bench.db'}"
        told = bench(url, Path(name), rows, size, lambda done: console.print(f"{done:,} rows"))
        found = list(told)
    columns = (
        "what",
        "vectors that pass",
        "recall",
        "p95, first time",
        "median, again",
        "p95, again",
    )
    show_rows(
        columns,
        [
            (
                s.what,
                f"{s.passing:,}",
                "" if s.recall is None else f"{s.recall:.3f}",
                f"{s.first:.1f}",
                f"{s.median:.1f}",
                f"{s.p95:.1f}",
            )
            for s in found
        ],
        title="milliseconds",
    )


@bench_app.command("scorer")
def bench_scorer(
    architecture: Annotated[
        str, typer.Option("--clip", help="An architecture of open_clip, with QuickGELU.")
    ] = "ViT-B-16-quickgelu",
    batches: Annotated[str, typer.Option("--batches", help="Frames in a round.")] = "1,4,16",
    rounds: Annotated[
        int, typer.Option("--rounds", min=0, help="Then watch the memory over so many rounds.")
    ] = 0,
) -> None:
    """CMMP with random weights, 8 people and 12 things a frame: ours against the plain way."""
    from models.evaluation.scorer_speed import make_trial
    from stream.bench_scorer import bench_scorer as bench
    from stream.bench_scorer import watch_memory

    try:
        numbers = [int(part) for part in batches.split(",")]
    except ValueError as error:
        raise typer.BadParameter(f"{batches!r} is no list of whole numbers") from error
    if min(numbers) < 1:
        raise typer.BadParameter("a round has one frame at least")
    trial = make_trial(architecture)
    rows = [
        (
            str(speed.batch),
            f"{speed.naive:.2f}",
            f"{speed.ours:.2f}",
            f"{speed.gain:.1f}",
            f"{1000 / speed.ours:.1f}",
            f"{speed.network:.2f}",
            f"{speed.encoder:.2f}",
            f"{speed.share:.2f}",
            f"{speed.error:.1e}",
        )
        for speed in bench(trial, numbers)
    ]
    columns = (
        *("batch", "naive", "ours", "times faster", "frames/s"),
        *("network", "encoder", "share", "error"),
    )
    show_rows(columns, rows, title="milliseconds a frame; largest difference of a probability")
    for done, megabytes in watch_memory(trial, rounds) if rounds else ():
        typer.echo(f"{done} rounds of four: {megabytes:.0f} MB")
