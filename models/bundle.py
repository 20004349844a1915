"""A model bundle on disk: one folder, one manifest, hashes of every file, nothing pickled.

`bundle.json` says which detector, scorer and vocabulary belong together, how scores are
calibrated and smoothed, and under which licences. Its own hash names the bundle in every event.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from statistics import median
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from models.errors import ModelError
from models.vocabulary import Vocabulary

MANIFEST = "bundle.json"
INSIDE = Path(__file__).parent / "bundles"  # the ones that come with the program
TRANSFORMERS_FILES = ("config.json", "preprocessor_config.json")
_PICKLES = {".pt", ".pth", ".bin", ".pkl", ".pickle", ".ckpt"}


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class DetectorSection(_Section):
    """The detector inside the bundle, or none: then the user names one."""

    kind: Literal["onnx", "transformers"] = "onnx"
    file: str | None = None  # transformers: the weights, its two json files beside them
    classes: tuple[str, ...] | None = None  # None: COCO
    threshold: float = 0.1

    @property
    def files(self) -> tuple[str, ...]:
        if self.file is None:
            return ()
        return (self.file, *(TRANSFORMERS_FILES if self.kind == "transformers" else ()))


class BoxesSection(_Section):
    """Pairs are scored by class and boxes alone."""

    kind: Literal["boxes"]
    file: str

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file,)


class CMMPSection(_Section):
    """Pairs are scored by CMMP on a CLIP of its own."""

    kind: Literal["cmmp"]
    file: str  # CMMP's weights, and its texts where they were encoded before
    clip: str  # the towers, under open_clip's names
    architecture: str | None = None  # a configuration of open_clip's, else `sizes` say it all
    sizes: dict[str, Any] = Field(default_factory=dict)  # models.cmmp.network.CMMPConfig
    mean: tuple[float, float, float] = (0.485, 0.456, 0.406)  # of pixels 0..1, ImageNet's
    std: tuple[float, float, float] = (0.229, 0.224, 0.225)

    @property
    def files(self) -> tuple[str, ...]:
        return (self.file, self.clip)


ScorerSection = Annotated[BoxesSection | CMMPSection, Field(discriminator="kind")]


class Calibration(_Section):
    """Log-odds = scale * logit + bias."""

    scale: float = 1.0
    bias: float = 0.0


def typical_calibration(known: Mapping[str, Calibration]) -> Calibration:
    """Of a verb that has none of its own: in the middle of those of the bundle's verbs."""
    if not known:
        return Calibration()
    return Calibration(
        scale=median(one.scale for one in known.values()),
        bias=median(one.bias for one in known.values()),
    )


class Manifest(_Section):
    """What `bundle.json` holds."""

    name: str
    version: str
    description: str
    footage: Literal["world", "real"]
    detector: DetectorSection
    scorer: ScorerSection
    vocabulary: dict[str, Any]
    calibration: dict[str, Calibration] = Field(default_factory=dict)  # per verb
    tracking: dict[str, float] = Field(default_factory=dict)  # arguments of models.tracker.Tracker
    smoothing: dict[str, Any] = Field(default_factory=dict)  # stream.smooth.Smoothing
    events: dict[str, Any] = Field(default_factory=dict)  # stream.events.Lifecycle
    licences: dict[str, str] = Field(default_factory=dict)
    files: dict[str, str] = Field(default_factory=dict)  # name -> SHA-256


class Bundle:
    """A verified bundle."""

    def __init__(self, folder: Path, manifest: Manifest, digest: str) -> None:
        self.folder, self.manifest, self.hash = folder, manifest, digest
        self.name = manifest.name
        self.vocabulary = Vocabulary.from_dict(manifest.vocabulary)
        _check_vocabulary(self.vocabulary, folder / MANIFEST)

    @property
    def tracking(self) -> Mapping[str, float]:
        return self.manifest.tracking

    @property
    def smoothing(self) -> Mapping[str, Any]:
        return self.manifest.smoothing

    @property
    def events(self) -> Mapping[str, Any]:
        return self.manifest.events

    @property
    def has_detector(self) -> bool:
        return self.manifest.detector.file is not None

    def path(self, name: str) -> Path:
        return self.folder / name

    def verify(self, *names: str) -> None:
        """Refuse files that are not those of the manifest."""
        for name in dict.fromkeys(names):
            if name not in self.manifest.files:
                path = self.folder / MANIFEST
                raise ModelError(f"{path}: {name} is used but has no hash under files")
            _verify(self.folder, name, self.manifest.files[name])


def home() -> Path:
    """Where bundles that the user adds live: `HOI_STREAM_HOME` or `~/.cache/hoi-stream`."""
    return Path(os.environ.get("HOI_STREAM_HOME", Path.home() / ".cache" / "hoi-stream"))


def find_bundles() -> dict[str, Path]:
    """Installed bundles by name; the user's own come before ours of the same name."""
    found: dict[str, Path] = {}
    for folder in (INSIDE, home() / "bundles"):
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            found[manifest.parent.name] = manifest.parent
    return found


def choose_bundle(name: str, *, detector_given: bool) -> str:
    """`auto`: the best installed bundle for real footage, else `world`."""
    if name != "auto":
        return name
    installed = find_bundles()
    for candidate in (*sorted(n for n in installed if n.startswith("cmmp-")), "boxes"):
        if candidate in installed and (detector_given or load_bundle(candidate).has_detector):
            return candidate
    return "world"


def load_bundle(name: str) -> Bundle:
    """An installed bundle's name, or the path of a bundle's folder; every hash is checked."""
    bundle = describe_bundle(name)
    manifest = bundle.manifest
    bundle.verify(*manifest.files, *manifest.detector.files, *manifest.scorer.files)
    return bundle


def describe_bundle(name: str) -> Bundle:
    """Its manifest alone: `verify` the files before they are used."""
    installed = find_bundles()
    folder = installed.get(name, Path(name))
    text = _read(folder / MANIFEST, name, sorted(installed))
    try:
        manifest = Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ModelError(f"{folder / MANIFEST}: {where}: {first['msg']}") from error
    return Bundle(folder, manifest, hashlib.sha256(text.encode()).hexdigest()[:12])


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write `bundle.json` with fresh hashes of the files it names."""
    used = {*manifest.detector.files, *manifest.scorer.files}
    hashes = {name: _sha256(folder / name) for name in sorted(used)}
    row = manifest.model_copy(update={"files": hashes}).model_dump(mode="json")
    (folder / MANIFEST).write_text(json.dumps(row, indent=1, ensure_ascii=False) + "\n")


def _read(path: Path, name: str, installed: list[str]) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        known = ", ".join(installed)
        raise ModelError(f"no bundle {name!r}; installed: {known} (or give a folder)") from error
    except UnicodeDecodeError as error:
        raise ModelError(f"{path}: not a manifest (not UTF-8 text)") from error


def _check_vocabulary(vocabulary: Vocabulary, path: Path) -> None:
    verbs = {verb for row in vocabulary.allowed for verb in row}
    if len(vocabulary.allowed) != len(vocabulary.objects):
        raise ModelError(f"{path}: vocabulary.allowed needs one row for every object")
    if not verbs <= set(range(len(vocabulary.verbs))):
        raise ModelError(f"{path}: vocabulary.allowed names a verb that is not there")


def _verify(folder: Path, file: str, digest: str) -> None:
    path = folder / file
    if Path(file).name != file or file.startswith("."):
        raise ModelError(f"{folder}: file name {file!r} is not allowed in a bundle")
    if path.suffix in _PICKLES:
        raise ModelError(f"{path}: a pickle is never loaded; bundles hold .safetensors and .onnx")
    if not path.is_file():
        raise ModelError(f"{path}: missing file of bundle {folder.name}")
    if _sha256(path) != digest:
        raise ModelError(f"{path}: SHA-256 differs from {MANIFEST}; the file was changed")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
