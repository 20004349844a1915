"""`stream evaluate pairs`: near pairs of people and things told apart, from true boxes."""

from pathlib import Path
from tempfile import TemporaryDirectory

from rich.progress import Progress

from stream.cli_evaluate_zero_shot import COLUMNS, as_row
from stream.cli_options import AgainstOption, BundleOption, ClipsOption
from stream.cli_output import errors_console, show_rows


def evaluate_pairs(
    clips: ClipsOption = 120,
    bundle: BundleOption = None,
    against: AgainstOption = None,
) -> None:
    """HOI mAP on held-out world clips: seen combinations, those held out, harmonic mean."""
    from models.bundle import load_bundle
    from models.evaluation.world_pairs import score_bundle, zero_shot
    from models.training.world_frames import HELD_OUT, render_frames
    from models.training.world_parts import chance

    chosen = [load_bundle(name) for name in (bundle or "world", against) if name is not None]
    rows = []
    with TemporaryDirectory() as folder, Progress(console=errors_console()) as progress:
        rendering = progress.add_task("rendering clips", total=clips)
        paths = render_frames(
            Path(folder),
            clips,
            on_clip=lambda done: progress.update(rendering, completed=done),
            first_seed=HELD_OUT.start,
        )
        for one in chosen:
            progress.add_task(f"scoring with {one.name}", total=None)
            scored = score_bundle(paths, one)
            rows.append(as_row(one.name, zero_shot([scored])))
    rows.append(as_row("chance", zero_shot([chance(scored, seed=0)])))
    show_rows(COLUMNS, rows, title=f"HOI mAP of {len(scored.clips)} near pairs, {clips} clips")
