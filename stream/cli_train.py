"""`stream world`, `stream train` and `stream evaluate`."""

from pathlib import Path
from typing import Annotated

import typer

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
