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
    out: Annotated[
        Path, typer.Option("--out", help="Folder of the new bundle; OUT-training keeps the state.")
    ],
    clip: Annotated[
        str,
        typer.Option("--clip", help="ARCHITECTURE:TAG, or :FILE of weights, CMMP's own too."),
    ] = "ViT-B-16-quickgelu:openai",
    setting: Annotated[
        str,
        typer.Option("--setting", help="Zero-shot setting: rare_first, unseen_verb, uc0, ... ."),
    ] = "default",
    detector: Annotated[
        str | None,
        typer.Option("--detector", "-d", help="Detector, whose boxes it is trained on."),
    ] = None,
    classes: Annotated[
        Path | None,
        typer.Option(
            "--classes",
            exists=True,
            dir_okay=False,
            help="What a .onnx detector finds: a name a line, in its order. Otherwise COCO's 80.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option("--epochs", min=1)] = 15,
    batch: Annotated[
        int, typer.Option("--batch", min=1, help="Images a step, of all processes together.")
    ] = 16,
    full_precision: Annotated[
        bool,
        typer.Option("--full-precision", help="Towers in 32 bits, as the paper's, on a GPU too."),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """Train CMMP on annotated images and write a bundle; CLIP and the detector stay as they are.

    The same command goes on where it was stopped.
    """
    from models.training.cmmp import Plan
    from models.training.cmmp_bundle import Listeners, Recipe, train_bundle
    from models.training.cmmp_scalars import Scalars
    from models.training.ranks import joined_ranks

    plan = Plan(epochs=epochs, batch=batch, seed=seed, mixed=not full_precision)
    names = None if classes is None else _read_names(classes)
    recipe = Recipe(data, clip, setting, detector, names, plan)
    folder = out.with_name(f"{out.name}-training")
    with joined_ranks() as ranks, _bars(shown=ranks.first) as progress:
        bars = _Bars(progress)
        scalars = Scalars(folder / "scalars") if ranks.first else None
        listeners = Listeners(bars.on_image, [bars.on_step, *([scalars] if scalars else [])])
        try:
            unreadable = train_bundle(recipe, out, folder, ranks, listeners)
        finally:
            if scalars is not None:
                scalars.close()
    if ranks.first:
        if unreadable:
            complain(f"{unreadable} images could not be read")
        typer.echo(f"{out}: trained, scalars in {folder / 'scalars'}")


def _read_names(path: Path) -> tuple[str, ...]:
    lines = path.read_text("utf-8", errors="replace").splitlines()
    return tuple(line.strip() for line in lines if line.strip())


class _Bars:
    """Detection and training, each on a line."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._detecting = progress.add_task("detecting", total=None, visible=False, loss="")
        self._training = progress.add_task("training", total=None, visible=False, loss="")

    def on_image(self, done: int, count: int) -> None:
        self._progress.update(self._detecting, completed=done, total=count, visible=True)

    def on_step(self, report: "StepReport") -> None:
        loss = f"loss {report.interaction:.3f} + {report.language:.3f}"
        self._progress.update(
            self._training, completed=report.step, total=report.steps, loss=loss, visible=True
        )


def _bars(*, shown: bool) -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[loss]}"),
    )
    return Progress(*columns, console=errors_console(), disable=not shown)
