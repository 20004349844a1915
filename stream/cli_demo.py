"""`stream demo`: a clip is drawn, watched, and asked about, with nothing but this program."""

import shlex
import shutil
from pathlib import Path
from typing import Annotated

import typer

from configs.settings import Camera, load
from storage.interactions import Interaction
from stream.cli_output import errors_console, show_rows

_SEED, _SECONDS = 10_042, 50.0  # a seed that no model was trained on
_QUESTION = "who picked up what"


def demo(
    folder: Annotated[Path, typer.Option("--out", help="Where everything is put.")] = Path("demo"),
    seed: Annotated[int, typer.Option("--seed", min=0)] = _SEED,
) -> None:
    """Draw a clip, find its interactions, answer a question; say how to see the dashboard."""
    from models.world.clip import write_clip
    from stream.cli_ask import Choice, answer_question
    from stream.cli_run import run_pipeline

    console = errors_console()
    clip, video = folder / "clip.mp4", folder / "found.mp4"
    folder.mkdir(parents=True, exist_ok=True)
    for old in (*folder.glob("hoi-stream.db*"), clip, video):
        old.unlink(missing_ok=True)  # an earlier demo's; its events would be found again
    shutil.rmtree(folder / "media", ignore_errors=True)
    console.print(f"drawing {clip} ({_SECONDS:.0f} s of a world that the demo model knows)")
    write_clip(clip, seed, _SECONDS)
    url = f"sqlite:///{folder / 'hoi-stream.db'}"
    settings = load(
        None,
        cameras=(Camera(url=str(clip), name="demo"),),
        bundle="world",
        database={"url": url},
        media=folder / "media",
    )
    found: list[Interaction] = []
    code = run_pipeline(settings, save_video=video, on_event=found.append)
    found.sort(key=lambda interaction: interaction.media_start)
    show_rows(
        ("seconds", "who", "did", "what", "score"), [_row(one) for one in found], title="Found"
    )
    answer = answer_question(settings, _QUESTION, Choice())
    title = f"{_QUESTION}? {answer.summary}"
    show_rows(answer.columns, [row.cells for row in answer.rows], title=title)
    typer.echo(f"video:     {video}")
    typer.echo(f"dashboard: stream dashboard --database {shlex.quote(url)}")
    typer.echo("           then open http://localhost:8501")
    raise typer.Exit(code)


def _row(interaction: Interaction) -> tuple[str, ...]:
    start, end = interaction.media_start, interaction.media_end
    when = f"{start:.1f}" if end == start else f"{start:.1f} - {end:.1f}"
    human, thing = (
        t.rpartition(":")[2] for t in (interaction.human_track, interaction.object_track)
    )
    return (
        when,
        f"person {human}",
        interaction.verb,
        f"{interaction.object_class} {thing}",
        f"{interaction.peak_score:.2f}",
    )
