"""`stream train cmmp`: alone, or one process a GPU under `torchrun`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from stream.cli_output import complain, errors_console

if TYPE_CHECKING:
    from models.training.cmmp import StepReport


def train_cmmp(
    data: Annotated[
        str, typer.Option("--data", help="hicodet:PATH, vcoco:PATH, coco:PATH or world:PATH.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")],
    clip: Annotated[
        str,
        typer.Option("--clip", help="open_clip ARCHITECTURE:TAG, or ARCHITECTURE:FILE of weights."),
    ] = "ViT-B-16-quickgelu:openai",
    setting: Annotated[
        str,
        typer.Option("--setting", help="Zero-shot setting: rare_first, unseen_verb, uc0, ... ."),
    ] = "default",
    detector: Annotated[
        str | None,
        typer.Option("--detector", "-d", help="COCO detector, whose boxes it is trained on."),
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Checkpoint and scalars; the same folder goes on."),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 15,
    batch: Annotated[int, typer.Option("--batch", min=1, help="Images, of all GPUs.")] = 16,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
    patterns: Annotated[
        Path | None,
        typer.Option("--patterns", help="Official checkpoint whose spatial patterns to take."),
    ] = None,
) -> None:
    """Train CMMP on annotated images and write a bundle; CLIP and the detector stay as they are."""
    from models.training.cmmp import Plan
    from models.training.cmmp_bundle import Listeners, Recipe, train_bundle
    from models.training.cmmp_scalars import Scalars
    from models.training.ranks import joined_ranks

    plan = Plan(epochs=epochs, batch=batch, seed=seed)
    recipe = Recipe(data, clip, setting, detector, patterns, plan)
    folder = work or out.with_name(f"{out.name}-training")
    with joined_ranks() as ranks, _bars(shown=ranks.first) as progress:
        detecting = progress.add_task("detecting", total=None, visible=False, loss="")
        training = progress.add_task("training", total=None, loss="")
        scalars = Scalars(folder / "scalars")
        last: list[StepReport] = []

        def on_image(done: int, count: int) -> None:
            progress.update(detecting, completed=done, total=count, visible=True)

        def on_step(report: StepReport) -> None:
            loss = f"loss {report.interaction:.3f} + {report.language:.3f}"
            progress.update(training, completed=report.step, total=report.steps, loss=loss)
            last[:] = [report]
            if ranks.first:
                scalars(report)

        try:
            train_bundle(recipe, out, folder, ranks, Listeners(on_image, on_step))
        finally:
            scalars.close()
        if ranks.first:
            if last and last[0].unreadable:
                complain(f"{last[0].unreadable} images could not be read")
            typer.echo(f"{out}: trained, scalars in {folder / 'scalars'}")


def _bars(*, shown: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    return Progress(*columns, console=errors_console(), disable=not shown)
