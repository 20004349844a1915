"""`stream world` and `stream train`."""

from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from stream.cli_options import DataOption, vcoco_folder
from stream.cli_output import errors_console

world_app = typer.Typer(help="The procedural world of the demo.", no_args_is_help=True)
train_app = typer.Typer(help="Make the bundles anew.", no_args_is_help=True)

BundleFolder = Annotated[Path, typer.Option("--out", help="Folder of the new bundle.")]
RenderedClips = Annotated[int, typer.Option("--clips", min=2, help="To render first.")]
Seed = Annotated[int, typer.Option("--seed", min=0)]


@world_app.command("render")
def render(
    out: Annotated[Path, typer.Option("--out", help="The video to write.")],
    seed: Seed = 7,
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
    out: BundleFolder,
    work: Annotated[
        Path, typer.Option("--work", help="Frames and checkpoints; the same folder goes on.")
    ] = Path("world-training"),
    images: Annotated[int, typer.Option("--images", min=24, help="For the detector.")] = 140_000,
    clip_images: Annotated[int, typer.Option("--clip-images", min=64)] = 224_000,
    cmmp_images: Annotated[int, typer.Option("--cmmp-images", min=96)] = 57_600,
    clips: RenderedClips = 3000,
    seed: Seed = 0,
) -> None:
    """Render the world, train its detector, CLIP and CMMP: 20 minutes on a GPU, hours without."""
    from models.training.world import Budget
    from models.training.world import train_world as train

    with Progress(console=errors_console()) as progress:
        rendering = progress.add_task("rendering clips", total=clips)
        bars = {name: progress.add_task(name, total=None) for name in ("detector", "CLIP", "CMMP")}
        manifest = train(
            work,
            out,
            budget=Budget(images, clip_images, cmmp_images),
            clips=clips,
            seed=seed,
            on_clip=lambda done: progress.update(rendering, completed=done),
            on_progress=lambda name, done, of: progress.update(
                bars[name], completed=done, total=of
            ),
        )
    typer.echo(f"{out}: {manifest.name} {manifest.version}")


@train_app.command("world-boxes")
def train_world_boxes(
    out: BundleFolder,
    work: Annotated[
        Path, typer.Option("--work", help="Frames; those of `train world` are used.")
    ] = Path("world-training"),
    clips: RenderedClips = 3000,
    seed: Seed = 0,
) -> None:
    """Train the control that sees no pixels on the world's boxes; minutes."""
    from models.training.world_boxes import train_world_boxes as train

    with Progress(console=errors_console()) as progress:
        rendering = progress.add_task("rendering clips", total=clips)
        manifest = train(
            work,
            out,
            clips=clips,
            seed=seed,
            on_clip=lambda done: progress.update(rendering, completed=done),
        )
    typer.echo(f"{out}: {manifest.name} {manifest.version}")


@train_app.command("boxes")
def train_boxes(
    data: DataOption,
    out: BundleFolder,
    seed: Seed = 0,
) -> None:
    """Train the box scorer on V-COCO annotations; seconds."""
    from models.training.boxes import train_boxes as train

    manifest = train(vcoco_folder(data), out, seed=seed)
    typer.echo(f"{out}: {manifest.name} {manifest.version}")
