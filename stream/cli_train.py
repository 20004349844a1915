"""`stream world`, `stream train` and `stream evaluate`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from stream.cli_options import BundleOption, ClipsOption, DataOption
from stream.cli_output import errors_console, show_rows

world_app = typer.Typer(help="The procedural world of the demo.", no_args_is_help=True)
train_app = typer.Typer(help="Make the bundles anew.", no_args_is_help=True)
evaluate_app = typer.Typer(help="Measure the bundles.", no_args_is_help=True)


@world_app.command("render")
def render(
    out: Annotated[Path, typer.Option("--out", help="The video to write.")],
    seed: Annotated[int, typer.Option("--seed", min=0)] = 7,
    seconds: Annotated[float, typer.Option("--seconds", min=1, max=3600)] = 60.0,
    truth: Annotated[Path | None, typer.Option("--truth", help="And what is in it, JSON.")] = None,
) -> None:
    """Draw a clip of people and things, and write down who does what."""
    from models.world.clip import write_clip

    clip = write_clip(out, seed, seconds)
    if truth is not None:
        truth.parent.mkdir(parents=True, exist_ok=True)
        truth.write_text(clip.to_json())
    typer.echo(f"{out}: {seconds:g} s of world {seed}")


@train_app.command("world")
def train_world(
    out: Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")],
    work: Annotated[
        Path, typer.Option("--work", help="Frames and checkpoints; the same folder goes on.")
    ] = Path("world-training"),
    images: Annotated[int, typer.Option("--images", min=24, help="Budget.")] = 140_000,
    clips: Annotated[int, typer.Option("--clips", min=2, help="To render first.")] = 3000,
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """Render the world and train its detector and scorer; an hour and a half on two cores."""
    from models.training.world import train_world as train

    with Progress(console=errors_console()) as progress:
        rendering = progress.add_task("rendering clips", total=clips)
        training = progress.add_task("training on images", total=images)
        manifest = train(
            work,
            out,
            images=images,
            clips=clips,
            seed=seed,
            on_clip=lambda done: progress.update(rendering, completed=done),
            on_step=lambda now: progress.update(training, completed=now.images),
        )
    typer.echo(f"{out}: {manifest.name} {manifest.version}")


@train_app.command("boxes")
def train_boxes(
    data: DataOption,
    out: Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")],
    seed: Annotated[int, typer.Option("--seed", min=0)] = 0,
) -> None:
    """Train the box scorer on V-COCO annotations; seconds."""
    from models.training.boxes import train_boxes as train

    manifest = train(vcoco_folder(data), out, seed=seed)
    typer.echo(f"{out}: {manifest.name} {manifest.version}")


@evaluate_app.command("boxes")
def evaluate_boxes(data: DataOption, bundle: BundleOption = None) -> None:
    """Mean AP over annotated V-COCO test pairs, with controls beside it."""
    from models.bundle import load_bundle
    from models.evaluation.boxes import evaluate_boxes as evaluate

    report = evaluate(load_bundle(bundle or "boxes"), vcoco_folder(data))
    rows = [(name, f"{ap:.3f}") for name, ap in sorted(report.per_action.items())]
    show_rows(("action", "AP"), rows, title=f"{report.pairs} pairs")
    rows = [("bundle", f"{report.mean:.3f}")]
    rows += [(name, f"{mean:.3f}") for name, mean in report.controls.items()]
    show_rows(("mean AP of", ""), rows)
    typer.echo(f"probability above one half for strangers: {report.false_alarms:.4f} of cells")


@evaluate_app.command("world")
def evaluate_world(clips: ClipsOption = 40, bundle: BundleOption = None) -> None:
    """Held-out world clips through the real stages: events found, missed and invented."""
    from configs.settings import load
    from models.bundle import load_bundle
    from models.scorer import load_scorer
    from stream.build import make_detector
    from stream.evaluate import evaluate_world as evaluate

    chosen = load_bundle(bundle or "world")
    console = errors_console()
    report = evaluate(
        chosen,
        make_detector(load(None), chosen),
        load_scorer(chosen),
        clips=clips,
        on_clip=lambda seed: console.print(f"clip {seed}"),
    )
    rows = [
        (row.boxes, row.filter, kind, *(f"{value:.3f}" for value in values))
        for row in report.rows
        for kind, values in (("intervals", row.intervals), ("moments", row.moments))
    ]
    title = f"{report.clips} held-out clips, {report.minutes:.1f} minutes"
    columns = ("boxes", "filter", "events", "precision", "recall", "F1")
    show_rows(columns, rows, title=title)
    typer.echo(f"detector: mAP50 {report.detection.map50:.3f}, ", nl=False)
    typer.echo(f"mAP50:95 {report.detection.map50_95:.3f}")
    typer.echo(f"identity switches a minute: {report.switches:.1f}")


def vcoco_folder(data: str) -> Path:
    kind, _, place = data.partition(":")
    if kind != "vcoco" or not place:
        raise typer.BadParameter(f"--data {data!r}: write vcoco:PATH of the folder")
    return Path(place)
