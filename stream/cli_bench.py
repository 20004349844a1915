"""`stream bench`: what this machine carries, in numbers and ratios."""

from typing import Annotated

import typer

from stream.cli_output import errors_console, show_rows

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

    numbers = sorted({*(2**n for n in range(most.bit_length()) if 2**n <= most), most})
    console, carried = errors_console(), 0
    rows: list[tuple[str, ...]] = []
    first = None
    for load in bench(numbers, seconds=seconds, bundle=bundle):
        first = first or load
        console.print(f"{load.cameras} cameras: {load.scored:.1f} scored frames/s each")
        if load.scored >= rate:
            carried = load.cameras
        frames = load.scored * load.cameras
        cost = (load.cores / frames) / (first.cores / (first.scored * first.cameras))
        times = (load.median, load.p95, load.p99, load.detect)
        rows.append(
            (
                str(load.cameras),
                *(f"{value:.1f}" for value in (load.decoded, load.scored, load.dropped)),
                *(f"{value:.0f}" for value in times),
                f"{load.batch:.1f}",
                f"{load.cores:.2f}",
                f"{cost:.2f}",
                load.bottleneck,
            )
        )
    columns: tuple[str, ...] = (
        *("cameras", "decoded", "scored", "dropped", "p50", "p95", "p99"),
        *("detect", "batch", "cores", "cost", "busiest"),
    )
    show_rows(columns, rows, title="frames/s of a camera, milliseconds, processors")
    typer.echo("cost: processor time of a scored frame, that with one camera being 1")
    typer.echo(f"carries {carried} cameras at {rate:g} scored frames a second")
