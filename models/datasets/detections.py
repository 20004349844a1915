"""What a detector found in a data set's images: found once, kept on disk, shared by all runs.

A folder holds the shards of one detector on one split; a run that was cut off goes on where it
stopped, and several may write at once. Images that cannot be read are not kept, so that the next
run tries them again.
"""

import hashlib
import logging
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import numpy as np
import supervision as sv

from models.bundle import home
from models.datasets.examples import Floats, Image, Ints, Pictures
from models.datasets.images import SkippedImages
from models.datasets.open import parse_spec
from models.detector import Detector

logger = logging.getLogger(__name__)

_FORMAT = "1"  # of the shards, and of what `models.detector` does to boxes
_BATCH = 8  # images the detector gets at once
_SHARD = 256  # images a file: what a killed run loses at most


@dataclass(frozen=True, eq=False)
class _Found:
    """N instances of one image."""

    boxes: Floats  # (N, 4) xyxy, pixels
    scores: Floats  # (N,)
    labels: Ints  # (N,) index in classes
    classes: tuple[str, ...]

    def detections(self) -> sv.Detections:
        names = np.array([self.classes[label] for label in self.labels], dtype=object)
        return sv.Detections(
            self.boxes, confidence=self.scores, class_id=self.labels, data={"class_name": names}
        )


class DetectionCache:
    """Detections by image key. `open_detector` is called when something is missing, once."""

    def __init__(self, folder: Path, open_detector: Callable[[], Detector]) -> None:
        self._folder, self._open_detector = folder, open_detector
        self._detector: Detector | None = None
        self._found: dict[str, _Found] = {}
        for path in sorted(folder.glob("*.npz")):
            try:
                self._found |= _read(path)
            except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
                logger.warning("%s: damaged (%s); its images are detected again", path, error)

    def __contains__(self, key: str) -> bool:
        return key in self._found

    def __getitem__(self, key: str) -> sv.Detections:
        """As `Detector.detect` gave them; KeyError if `fill` has not been there."""
        return self._found[key].detections()

    def fill(
        self,
        pictures: Pictures,
        skipped: SkippedImages,
        *,
        on_image: Callable[[int], None] = lambda _: None,
    ) -> None:
        """Detect on every image that is not there yet; `on_image` hears how many are done."""
        missing = [i for i, key in enumerate(pictures.keys) if key not in self._found]
        done = len(pictures.keys) - len(missing)
        for start in range(0, len(missing), _SHARD):
            shard: dict[str, _Found] = {}
            rows = missing[start : start + _SHARD]
            for first in range(0, len(rows), _BATCH):
                part = rows[first : first + _BATCH]
                read = {i: skipped.read(pictures, i) for i in part}
                images = {pictures.keys[i]: p for i, p in read.items() if p is not None}
                shard |= self._detect(images)
                done += len(part)
                on_image(done)
            if shard:
                _write(self._folder, shard)
            self._found |= shard

    def _detect(self, images: dict[str, Image]) -> dict[str, _Found]:
        if not images:
            return {}
        if self._detector is None:
            self._detector = self._open_detector()
        classes = tuple(self._detector.classes)
        found = self._detector.detect(list(images.values()))
        return {key: _plain(one, classes) for key, one in zip(images, found, strict=True)}


def cache_folder(data: str, split: str, detector: str, threshold: float | None) -> Path:
    """Where detections of a split are kept, under `HOI_STREAM_HOME`; `threshold` None: all of them.

    A detector file or folder is known by its content, one of a model hub by its name.
    """
    kind, folder = parse_spec(data)
    name = f"{_FORMAT} {folder.resolve()} {_identity(detector)} {threshold}"
    digest = hashlib.sha256(name.encode()).hexdigest()[:12]
    return home() / "detections" / f"{kind}-{split}-{digest}"


def _identity(detector: str) -> str:
    path = Path(detector)
    if not path.exists():
        return detector
    files = sorted(file for file in path.rglob("*") if file.is_file()) if path.is_dir() else [path]
    digests = []
    for file in files:
        with file.open("rb") as opened:
            digests.append(hashlib.file_digest(opened, "sha256").hexdigest())
    return " ".join(digests)


def _plain(found: sv.Detections, classes: tuple[str, ...]) -> _Found:
    assert found.confidence is not None
    assert found.class_id is not None
    return _Found(
        found.xyxy.astype(np.float32),
        found.confidence.astype(np.float32),
        found.class_id.astype(np.int64),
        classes,
    )


def _write(folder: Path, shard: dict[str, _Found]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    found = list(shard.values())
    partial = folder / f"{uuid4().hex}.part"
    with partial.open("wb") as file:
        np.savez(
            file,
            keys=np.array(list(shard)),
            counts=np.array([len(one.labels) for one in found]),
            boxes=np.concatenate([one.boxes for one in found]),
            scores=np.concatenate([one.scores for one in found]),
            labels=np.concatenate([one.labels for one in found]).astype(np.int16),
            classes=np.array(found[0].classes),
        )
    partial.rename(partial.with_suffix(".npz"))


def _read(path: Path) -> dict[str, _Found]:
    with np.load(path, allow_pickle=False) as file:
        classes = tuple(file["classes"].tolist())
        keys, counts = file["keys"].tolist(), file["counts"].tolist()
        boxes, scores = file["boxes"].reshape(-1, 4), file["scores"]
        labels = file["labels"].astype(np.int64)
    found, start = {}, 0
    for key, count in zip(keys, counts, strict=True):
        rows = slice(start, start + count)
        found[key] = _Found(boxes[rows], scores[rows], labels[rows], classes)
        start += count
    if start != len(labels) or len(boxes) != len(labels) or len(scores) != len(labels):
        raise ValueError("its columns differ in length")
    return found
