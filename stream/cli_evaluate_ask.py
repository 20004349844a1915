"""`stream evaluate ask`: questions of which the answers are known."""

import json
import math
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from stream.cli_options import BundleOption
from stream.cli_output import complain, errors_console, show_rows

if TYPE_CHECKING:
    from models.evaluation.ask_scores import KindRow, Share
    from stream.evaluate_ask import AskReport

HoursOption = Annotated[
    float | None, typer.Option("--hours", min=0.01, help="Of video, instead of --clips.")
]
QuestionsOption = Annotated[int, typer.Option("--questions", min=1, help="How many, about.")]
SeedOption = Annotated[int, typer.Option("--seed", help="Other questions about the same clips.")]
FirstOption = Annotated[
    int | None,
    typer.Option(
        "--first-seed", min=30_000, max=99_000, help="Clips that no report has looked at, instead."
    ),
]
MistakesOption = Annotated[
    bool, typer.Option("--mistakes", help="Show the questions that were not answered rightly.")
]


def evaluate_ask(
    clips: Annotated[int, typer.Option("--clips", min=1, help="Held-out clips of 24 s.")] = 36,
    hours: HoursOption = None,
    questions: QuestionsOption = 300,
    seed: SeedOption = 1,
    first_seed: FirstOption = None,
    bundle: BundleOption = None,
    false_alarms: Annotated[
        bool, typer.Option("--false-alarms", help="Chosen false alarms a day against observed.")
    ] = False,
    mistakes: MistakesOption = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, nothing else.")] = False,
) -> None:
    """Held-out footage, then questions: recall of the first rows, and silence where it is due."""
    from configs.settings import load
    from models.bundle import load_bundle
    from stream.build_bundle import detector_name
    from stream.evaluate_ask import evaluate_ask as evaluate
    from stream.footage import CLIP_SECONDS, FIRST_SEED, MOST_CLIPS, plan

    wanted = clips if hours is None else math.ceil(hours * 3600 / CLIP_SECONDS)
    if wanted > MOST_CLIPS:
        raise typer.BadParameter(f"there are {MOST_CLIPS} clips, {wanted} are asked for")
    chosen = load_bundle(bundle or "world")
    with Progress(console=errors_console()) as progress:
        watching = progress.add_task("watching", total=wanted)
        report = evaluate(
            chosen,
            detector_name(load(None), chosen),
            plan(wanted, first_seed=first_seed or FIRST_SEED),
            questions=questions,
            seed=seed,
            false_alarms=false_alarms,
            on_take=lambda n: progress.update(watching, completed=n),
        )
    if as_json:
        typer.echo(json.dumps(_to_dict(report)))
        return
    _show(report)
    if false_alarms and not report.chances:
        complain(f"bundle {chosen.name} hears no text: no false alarms of new verbs to count")
    if mistakes:
        _show_mistakes(report)


def _show(report: "AskReport") -> None:
    for name, rows in report.tables.items():
        show_rows(
            ("kind", "questions", "R@1", "R@5", "AUROC", "exact"),
            [_cells(row) for row in rows],
            title=f"{name}: {report.clips} held-out clips, {report.minutes:.1f} minutes",
        )
    if report.chances:
        show_rows(
            ("chosen a day", "expected", "observed", "verbs within a factor of 2"),
            [
                (f"{row.per_day:g}", f"{row.expected:.1f}", str(row.observed), f"{row.near:.2f}")
                for row in report.chances
            ],
            title="false alarms in the other half of the footage, twenty new verbs",
        )


def _cells(row: "KindRow") -> tuple[str, ...]:
    shares = (_told(share) for share in (row.first, row.five, row.auroc))
    exact = "" if math.isnan(row.exact) else f"{row.exact:.2f}"
    return row.kind, str(row.questions), *shares, exact


def _told(share: "Share") -> str:
    if math.isnan(share.value):
        return ""
    return f"{share.value:.2f} ({share.low:.2f} to {share.high:.2f})"


def _show_mistakes(report: "AskReport") -> None:
    for outcome in report.outcomes:
        if outcome.wrong:
            why = "not understood" if not outcome.reply.understood else f"rows {outcome.hits}"
            complain(f"{outcome.asked.kind}: {outcome.asked.text!r}: {why}")


def _to_dict(report: "AskReport") -> dict[str, object]:
    """Numbers that are not there are null: JSON knows no NaN."""
    tables = {name: [asdict(row) for row in rows] for name, rows in report.tables.items()}
    row: dict[str, object] = {"clips": report.clips, "minutes": report.minutes, "tables": tables}
    row["false_alarms"] = [asdict(chance) for chance in report.chances]
    text = json.dumps(row).replace("NaN", "null")
    found: dict[str, object] = json.loads(text)
    return found
