"""`stream evaluate zero-shot`: what CMMP and its parts make of what they were never taught."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from stream.cli_options import BundleOption
from stream.cli_output import errors_console, show_rows

if TYPE_CHECKING:
    from models.evaluation.world_pairs import ZeroShot

COLUMNS = ("scorer", "seen", "95 %", "unseen", "95 %", "HM", "95 %")


def evaluate_zero_shot(
    work: Annotated[
        Path, typer.Option("--work", help="Frames and trainings; the same folder goes on.")
    ] = Path("world-zero-shot"),
    setting: Annotated[
        str, typer.Option("--setting", help="unseen_pairs or unseen_verbs.")
    ] = "unseen_pairs",
    images: Annotated[int, typer.Option("--images", min=48, help="Of each training.")] = 12_000,
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each row.")] = 3,
    clips: Annotated[int, typer.Option("--clips", min=2, help="To train on.")] = 2000,
    held_out: Annotated[
        int, typer.Option("--held-out", min=1, max=1000, help="Clips to choose from for the test.")
    ] = 1000,
    bundle: BundleOption = None,
) -> None:
    """The world's held-out pairs, or whole held-out verbs: a row for each part of CMMP.

    All rows stand on the bundle's CLIP, which saw no held-out pair.
    """
    from models.training.world_cmmp import WorldPlan
    from models.training.world_table import make_bench, zero_shot_table

    with Progress(console=errors_console()) as progress:
        rendering = progress.add_task("rendering clips", total=None)
        bench = make_bench(
            work,
            bundle or "world",
            WorldPlan(images, setting=setting),
            seeds=seeds,
            clips=clips,
            held_out=held_out,
            on_clip=lambda done: progress.update(rendering, completed=done),
        )
        trainings = progress.add_task("", total=None)

        def on_run(name: str, seed: int) -> None:
            progress.update(trainings, description=f"{name}, seed {seed}", advance=1)

        rows = [as_row(name, found) for name, found in zero_shot_table(bench, on_run=on_run)]
    show_rows(
        COLUMNS,
        rows,
        title=f"HOI mAP, {setting}, {len(bench.held_out)} held-out clips, {seeds} seeds",
    )


def as_row(name: str, found: "ZeroShot") -> tuple[str, ...]:
    """Under `COLUMNS`."""
    columns = [name]
    for value, (low, high) in zip(
        (found.seen, found.unseen, found.hm), found.intervals, strict=True
    ):
        columns += [f"{value:.3f}", f"{low:.3f} to {high:.3f}"]
    return tuple(columns)
