"""`stream evaluate`: bundles and saved detections against annotated data."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.progress import Progress

from stream.cli_evaluate_ask import evaluate_ask
from stream.cli_evaluate_pairs import evaluate_pairs
from stream.cli_evaluate_zero_shot import evaluate_zero_shot
from stream.cli_options import (
    AgainstOption,
    BundleOption,
    ClipsOption,
    DataOption,
    DetectorOption,
    vcoco_folder,
)
from stream.cli_output import complain, errors_console, show_rows

if TYPE_CHECKING:
    from models.datasets.examples import HOIDataset
    from models.evaluation.hicodet import HicoReport
    from models.evaluation.triplets import ScoredTriplets
    from models.evaluation.vcoco import VcocoReport
    from stream.evaluate import WorldReport

app = typer.Typer(help="Measure the bundles.", no_args_is_help=True)
app.command("ask")(evaluate_ask)
app.command("pairs")(evaluate_pairs)
app.command("zero-shot")(evaluate_zero_shot)

SavedOption = Annotated[
    Path | None, typer.Option("--detections", help="Score these, saved by an earlier --save.")
]
SaveOption = Annotated[
    Path | None, typer.Option("--save", help="Keep what was detected, to score it again.")
]
SettingOption = Annotated[
    str, typer.Option("--setting", help="Zero-shot setting: rare_first, unseen_verb, uc0, ... .")
]
ReportOption = Annotated[bool, typer.Option("--json", help="One JSON object, nothing else.")]


@app.command("hicodet")
def evaluate_hicodet(
    data: DataOption,
    detections: SavedOption = None,
    bundle: BundleOption = None,
    detector: DetectorOption = None,
    save: SaveOption = None,
    setting: SettingOption = "default",
    as_json: ReportOption = False,
) -> None:
    """HICO-DET test mAP: default and known objects; full, rare, non-rare, unseen, seen."""
    from models.datasets.hico_facts import unseen_interactions
    from models.datasets.open import open_dataset
    from models.evaluation.hicodet import evaluate_hicodet as evaluate

    unseen_interactions(setting)  # a wrong name is told before hours of detection
    dataset = open_dataset(_of_kind(data, "hicodet"), split="test", setting=setting)
    found = _triplets(dataset, data, detections, bundle, detector, save)
    report = evaluate(dataset, found, setting)
    if as_json:
        typer.echo(json.dumps(_hico_row(report, setting)))
        return
    _warn(report.unscored, report.images)
    groups = list(asdict(report.default))
    rows = [
        (name.replace("_", " "), *("" if v is None else f"{100 * v:.2f}" for v in values))
        for name, values in (
            ("default", asdict(report.default).values()),
            ("known object", asdict(report.known_object).values()),
        )
    ]
    title = f"mAP (%) of 600 interactions on {report.images} images, setting {setting}"
    show_rows(("protocol", *(group.replace("_", "-") for group in groups)), rows, title=title)


@app.command("vcoco")
def evaluate_vcoco(
    data: DataOption,
    detections: SavedOption = None,
    bundle: BundleOption = None,
    detector: DetectorOption = None,
    save: SaveOption = None,
    as_json: ReportOption = False,
) -> None:
    """V-COCO test role AP, scenarios 1 and 2."""
    from models.datasets.open import open_dataset
    from models.datasets.vcoco_roles import read_roles
    from models.evaluation.vcoco import evaluate_vcoco as evaluate

    dataset = open_dataset(_of_kind(data, "vcoco"), split="test")
    truth = read_roles(vcoco_folder(data), "test")
    found = _triplets(dataset, data, detections, bundle, detector, save)
    report = evaluate(truth, found)
    if as_json:
        typer.echo(json.dumps(asdict(report)))
        return
    # the truth also has images without pairs, in which nothing is looked for
    _warn(len(set(dataset.keys) - set(found.keys)), len(dataset.keys))
    if report.source == "pairs":
        complain(
            "without the authors' vcoco_test.json and instances_vcoco_all_2014.json, persons "
            "who act on nothing annotated are unknown: not to be compared with published tables"
        )
    _show_vcoco(report)


@app.command("boxes")
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


@app.command("world")
def evaluate_world(
    clips: ClipsOption = 40,
    bundle: BundleOption = None,
    against: AgainstOption = None,
) -> None:
    """Held-out world clips through the real stages: events found, missed and invented."""
    report = _watch_world(bundle or "world", clips)
    other = None if against is None else _watch_world(against, clips)
    columns = ["boxes", "filter", "events", "precision", "recall", "F1", "95 %"]
    rows = []
    for i, row in enumerate(report.rows):
        score = row.score
        numbers = [f"{value:.3f}" for value in (score.precision, score.recall, score.f1)]
        cells = [row.boxes, row.filter, row.kind, *numbers, f"{score.low:.3f} to {score.high:.3f}"]
        if other is not None:
            more, low, high = row.less(other.rows[i])
            cells += [f"{other.rows[i].score.f1:.3f}", f"{more:+.3f}", f"{low:+.3f} to {high:+.3f}"]
        rows.append(cells)
    if against is not None:
        columns += [against, "more", "95 %"]
    show_rows(columns, rows, title=f"{report.clips} held-out clips, {report.minutes:.1f} minutes")
    typer.echo(f"detector: mAP50 {report.detection.map50:.3f}, ", nl=False)
    typer.echo(f"mAP50:95 {report.detection.map50_95:.3f}")
    typer.echo(f"identity switches a minute: {report.switches:.1f}")


def _watch_world(bundle: str, clips: int) -> "WorldReport":
    from configs.settings import load
    from models.bundle import load_bundle
    from models.scorer import load_scorer
    from stream.build_bundle import make_detector
    from stream.evaluate import evaluate_world as evaluate

    chosen = load_bundle(bundle)
    console = errors_console()
    return evaluate(
        chosen,
        make_detector(load(None), chosen),
        load_scorer(chosen),
        clips=clips,
        on_clip=lambda seed: console.print(f"{bundle}: clip {seed}"),
    )


def _triplets(
    dataset: "HOIDataset",
    data: str,
    detections: Path | None,
    bundle: str | None,
    detector: str | None,
    save: Path | None,
) -> "ScoredTriplets":
    """Saved ones, or those of a bundle; `save` keeps the latter."""
    from models.evaluation.triplets import load_triplets, save_triplets

    if (detections is None) == (bundle is None):
        raise typer.BadParameter("give either --detections FILE or --bundle BUNDLE")
    if detections is not None:
        return load_triplets(detections, dataset.vocabulary)
    assert bundle is not None
    found = _score(dataset, data, bundle, detector)
    if save is not None:
        save_triplets(save, found, dataset.vocabulary)
    return found


def _score(dataset: "HOIDataset", data: str, bundle: str, detector: str | None) -> "ScoredTriplets":
    from configs.settings import load
    from models.bundle import load_bundle
    from models.cmmp.candidates import open_candidates
    from models.coco import CLASSES
    from models.datasets.detections import DetectionCache, cache_folder
    from models.datasets.images import SkippedImages
    from models.evaluation.paper import PaperScorer
    from models.evaluation.scoring import EXPONENTS, score_dataset
    from models.scorer import load_scorer
    from stream.build_bundle import detector_name, make_detector

    chosen, settings = load_bundle(bundle), load(None, detector=detector)
    kind, section = chosen.manifest.scorer.kind, chosen.manifest.detector
    cmmp = kind == "cmmp"
    scorer = PaperScorer.load(chosen, dataset.vocabulary) if cmmp else load_scorer(chosen)
    name, classes = detector_name(settings, chosen), section.classes or CLASSES
    cache = DetectionCache(
        cache_folder(data, "test", name, None if cmmp else section.threshold, section.classes),
        lambda: open_candidates(name, classes) if cmmp else make_detector(settings, chosen),
    )
    skipped = SkippedImages()
    with Progress(console=errors_console()) as progress:
        detecting = progress.add_task("detecting", total=len(dataset.keys))
        scoring = progress.add_task("scoring", total=len(dataset.keys))
        cache.fill(
            dataset, skipped, on_image=lambda done: progress.update(detecting, completed=done)
        )
        progress.update(detecting, completed=len(dataset.keys))
        found = score_dataset(
            dataset,
            scorer,
            chosen.vocabulary,
            cache,
            exponent=EXPONENTS.get(kind, 1.0),
            skipped=skipped,
            on_image=lambda done: progress.update(scoring, completed=done),
        )
    if skipped.reasons:
        complain(f"{len(skipped.reasons)} of {len(dataset.keys)} images could not be read")
    return found


def _hico_row(report: "HicoReport", setting: str) -> dict[str, object]:
    return {
        "setting": setting,
        "images": report.images,
        "unscored": report.unscored,
        "default": asdict(report.default),
        "known_object": asdict(report.known_object),
        "default_aps": report.default_aps.tolist(),
        "known_object_aps": report.known_object_aps.tolist(),
    }


def _show_vcoco(report: "VcocoReport") -> None:
    scenarios = (report.scenario_1, report.scenario_2)
    rows = [
        (name, *(f"{100 * scenario.aps[name]:.2f}" for scenario in scenarios))
        for name in report.scenario_1.aps
    ]
    rows.append((f"mean of {len(rows)}", *(f"{100 * one.mean:.2f}" for one in scenarios)))
    rows.append(("mean of 25 roles", *(f"{100 * one.mean_of_25:.2f}" for one in scenarios)))
    columns = ("role AP (%)", "scenario 1", "scenario 2")
    show_rows(columns, rows, title=f"{report.images} images")


def _warn(unscored: int, images: int) -> None:
    if unscored:
        complain(f"{unscored} of {images} images have no detections: their pairs count as missed")


def _of_kind(data: str, kind: str) -> str:
    if not data.startswith(f"{kind}:"):
        raise typer.BadParameter(f"--data {data!r}: write {kind}:PATH of the folder")
    return data
