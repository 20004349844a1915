"""`stream train cmmp`: a data set, CLIP's towers and a detector's boxes into a bundle."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from models import coco
from models.bundle import (
    Calibration,
    CMMPSection,
    DetectorSection,
    Manifest,
    load_bundle,
    write_manifest,
)
from models.cmmp.candidates import open_candidates
from models.cmmp.checkpoint import official_name
from models.cmmp.network import CMMP
from models.cmmp.official import read_vocabulary
from models.cmmp.towers import read_towers, set_towers
from models.cmmp.weights import read_config, save_cmmp, vocabulary_sentences
from models.datasets.detections import DetectionCache, cache_folder
from models.datasets.examples import HOIDataset
from models.datasets.hico_facts import DEFAULT, hico_vocabulary
from models.datasets.images import SkippedImages
from models.datasets.open import open_dataset, parse_spec
from models.datasets.world import WorldFrames, world_vocabulary
from models.errors import ModelError
from models.training.boxes import read_settings
from models.training.cmmp import Plan, StepReport, train_cmmp
from models.training.cmmp_calibration import calibrate_cmmp, hold_out
from models.training.cmmp_candidates import Candidates, detected, world_candidates
from models.training.cmmp_examples import CMMPExamples, Names
from models.training.cmmp_patterns import WIDTH, published_patterns, spatial_patterns
from models.training.ranks import Ranks
from models.vocabulary import Vocabulary
from models.world import truth as world_truth

_SIZES = {"vcoco": {"free_prototypes": True}}  # as its authors train it
_DETECTOR_FILE = "detector.onnx"


@dataclass(frozen=True)
class Recipe:
    """What a bundle is made of.

    `clip`: ARCHITECTURE:TAG or ARCHITECTURE:FILE; the file may be an official CMMP checkpoint,
    which brings CLIP and the published spatial patterns.
    """

    data: str  # as `open_dataset` reads it
    clip: str
    setting: str = DEFAULT
    detector: str | None = None  # None: the world's true boxes, made to look detected
    plan: Plan = field(default_factory=Plan)

    @property
    def kind(self) -> str:
        return parse_spec(self.data)[0]


@dataclass(frozen=True)
class Listeners:
    """Who is told how far a training is."""

    on_image: Callable[[int, int], None] = lambda *_: None  # images with detections, of how many
    on_step: Sequence[Callable[[StepReport], None]] = ()

    def tell_step(self, report: StepReport) -> None:
        for listener in self.on_step:
            listener(report)


def train_bundle(
    recipe: Recipe, out: Path, work: Path, ranks: Ranks, listeners: Listeners | None = None
) -> None:
    """Train and write the bundle's folder; `work` keeps the checkpoint, so that it can go on."""
    told = listeners or Listeners()
    dataset = open_dataset(recipe.data, split="train", setting=recipe.setting)
    words = _network_words(recipe.kind, dataset)
    model, patterns = _make_model(recipe, words)
    skipped = SkippedImages()
    whole = CMMPExamples(
        dataset,
        _candidates(recipe, dataset, ranks, skipped, told),
        Names.between(dataset.vocabulary, words),
        model.config.image_size,
        skipped=skipped,
    )
    trained, held_out = hold_out(dataset, recipe.plan.seed)
    checkpoint = work / "training.pt"
    if not checkpoint.exists():  # else they are in there
        if patterns is None:
            count, seed = model.config.patterns, recipe.plan.seed
            patterns = spatial_patterns(dataset, trained.tolist(), count, skipped, seed=seed)
        with torch.no_grad():
            model.priors.patterns.copy_(patterns)
    train_cmmp(
        model,
        replace(whole, rows=trained),
        checkpoint,
        recipe.plan,
        ranks=ranks,
        on_step=told.tell_step,
    )
    if ranks.first:
        calibration = calibrate_cmmp(model, replace(whole, rows=held_out), words)
        _write(recipe, model, words, calibration, out)
    ranks.wait()


def _network_words(kind: str, dataset: HOIDataset) -> Vocabulary:
    """All the data set's words, those that a zero-shot setting hides from training included."""
    if kind == "hicodet":
        return hico_vocabulary()
    return world_vocabulary() if kind == "world" else dataset.vocabulary


def _make_model(recipe: Recipe, words: Vocabulary) -> tuple[CMMP, Tensor | None]:
    """On its towers, and the published patterns if the weights bring them."""
    architecture, _, weights = recipe.clip.partition(":")
    if not weights:
        raise ModelError(f"CLIP {recipe.clip!r}: write ARCHITECTURE:TAG or ARCHITECTURE:FILE")
    sizes = {"verbs": len(words.verbs), **_SIZES.get(recipe.kind, {})}
    config = read_config(architecture, sizes)
    state = read_towers(architecture, weights)
    official = recipe.kind in ("hicodet", "vcoco")
    torch.manual_seed(recipe.plan.seed)
    model = CMMP(config, None if official else vocabulary_sentences(words))
    shape = (model.config.patterns, WIDTH)
    patterns = published_patterns(state, shape)
    set_towers(model, state if patterns is None else _official_towers(model, state))
    return model, patterns


def _official_towers(model: CMMP, state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """CLIP's part of an official state dict, under open_clip's names."""
    names = {name: official_name(f"clip.{name}") for name in model.clip.state_dict()}
    return {ours: state[theirs] for ours, theirs in names.items() if theirs in state}


def _candidates(
    recipe: Recipe,
    dataset: HOIDataset,
    ranks: Ranks,
    skipped: SkippedImages,
    told: Listeners,
) -> Candidates:
    """A detector looks at each image once in its life; the first rank does that for all."""
    if recipe.detector is None:
        if not isinstance(dataset, WorldFrames):
            raise ModelError(f"{recipe.data}: a training on real images needs a --detector")
        return world_candidates(dataset)
    name, classes = recipe.detector, _classes(recipe)

    def cache() -> DetectionCache:
        folder = cache_folder(recipe.data, "train", name, None)
        return DetectionCache(folder, lambda: open_candidates(name, classes))

    count = len(dataset.keys)
    if ranks.first:
        cache().fill(dataset, skipped, on_image=lambda done: told.on_image(done, count))
    ranks.wait()
    told.on_image(count, count)
    return detected(dataset, cache())


def _write(
    recipe: Recipe,
    model: CMMP,
    words: Vocabulary,
    calibration: dict[str, Calibration],
    out: Path,
) -> None:
    out.mkdir(parents=True, exist_ok=True)
    section = CMMPSection(
        kind="cmmp",
        file="cmmp.safetensors",
        clip="clip.safetensors",
        sizes=asdict(model.config),
    )
    save_cmmp(model, section, out)
    world = recipe.kind == "world"
    manifest = Manifest(
        name=out.resolve().name,
        version="1",
        description=f"CMMP on CLIP {recipe.clip}, trained on {recipe.kind}, {recipe.setting}",
        footage="world" if world else "real",
        detector=_detector(recipe, out),
        scorer=section,
        vocabulary=(read_vocabulary("hico") if recipe.kind == "hicodet" else words).to_dict(),
        calibration=calibration,
        licences={"CMMP weights": "yours", "CLIP weights": f"of {recipe.clip}, as published"},
        **(read_settings("world") if world else {}),
    )
    write_manifest(out, manifest)


def _detector(recipe: Recipe, out: Path) -> DetectorSection:
    """A file is copied into the bundle; a model of a hub stays there and is named at every run."""
    if recipe.detector is None:
        world = load_bundle("world")
        section = world.manifest.detector
        for file in section.files:
            shutil.copyfile(world.path(file), out / file)
        return section
    if not recipe.detector.endswith(".onnx"):
        return DetectorSection()
    shutil.copyfile(recipe.detector, out / _DETECTOR_FILE)
    return DetectorSection(file=_DETECTOR_FILE, classes=_classes(recipe))


def _classes(recipe: Recipe) -> tuple[str, ...]:
    return world_truth.CLASSES if recipe.kind == "world" else coco.CLASSES
