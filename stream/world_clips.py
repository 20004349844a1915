"""World clips as the stages up to `score` see them, once from detections, once from the truth."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import supervision as sv

from models.detector import Detector
from models.evaluation.detection import HIDDEN
from models.evaluation.events import Instances, map_tracks
from models.pairs import PairScores
from models.scorer import PairScorer
from models.tracker import Tracker
from models.world.clip import write_clip
from models.world.truth import ClipTruth, FrameTruth
from stream.flow import batches
from stream.frames import Frame, ScoredFrame
from stream.sources import read_file

CLIP_SECONDS = 16.0
DETECTION_STEP = 5  # of these, frames next to each other would tell the same
_BATCH = 8  # frames; no more images are kept at a time

_NO_IMAGE = np.zeros((1, 1, 3), np.uint8)
_START = datetime(2026, 1, 1, tzinfo=UTC)

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class WatchedClip:
    """What the stages up to `score` made of one clip; images are gone."""

    truth: ClipTruth
    frames: tuple[ScoredFrame, ...]
    mappings: tuple[Mapping[int, int], ...]  # track -> truth id, per frame


@dataclass(frozen=True, eq=False)
class Watched:
    """One clip, seen twice."""

    detected: WatchedClip
    true: WatchedClip  # by a perfect detector and tracker
    found: tuple[sv.Detections, ...]  # what the detector gave, every `DETECTION_STEP` frames


def watch(
    seed: int,
    detector: Detector,
    scorer: PairScorer,
    tracking: Mapping[str, Any],
    seconds: float = CLIP_SECONDS,
) -> Watched:
    """A rendered clip, encoded, decoded, detected, tracked and scored."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        truth = write_clip(path, seed, seconds)
        tracker = Tracker(detector.classes, **tracking)
        detected, true = _Diary(truth), _Diary(truth)
        found: list[sv.Detections] = []
        for batch in batches(zip(truth.frames, read_file(path), strict=True), _BATCH):
            frames = [frame for frame, _ in batch]
            images = [decoded.image for _, decoded in batch]
            fresh = detector.detect(images)
            tracked = [
                tracker.update(detections, frame.seconds, image)
                for detections, frame, image in zip(fresh, frames, images, strict=True)
            ]
            perfect = [true_detections(frame, detector.classes) for frame in frames]
            detected.add(frames, tracked, scorer.score(images, tracked))
            true.add(frames, perfect, scorer.score(images, perfect))
            found += fresh
    return Watched(detected.clip(), true.clip(), tuple(found[::DETECTION_STEP]))


class _Diary:
    """Collects a clip's frames as they are scored."""

    def __init__(self, truth: ClipTruth) -> None:
        self._truth = truth
        self._frames: list[ScoredFrame] = []
        self._mappings: list[Mapping[int, int]] = []
        self._tracks: dict[int, int] = {}  # truth id -> the track that covered it last

    def add(
        self,
        frames: Sequence[FrameTruth],
        tracked: Sequence[sv.Detections],
        scores: Sequence[PairScores],
    ) -> None:
        for truth, detections, pairs in zip(frames, tracked, scores, strict=True):
            wall = _START + timedelta(seconds=truth.seconds)
            name, index = f"clip{self._truth.seed}", len(self._frames)
            frame = Frame(name, index, 0, truth.seconds, wall, _NO_IMAGE)
            self._frames.append(ScoredFrame(frame, detections, pairs))
            found, true = _instances(truth.seconds, detections), _true_instances(truth)
            self._mappings.append(map_tracks(found, true, self._tracks))
            self._tracks |= {id_: track for track, id_ in self._mappings[-1].items()}

    def clip(self) -> WatchedClip:
        return WatchedClip(self._truth, tuple(self._frames), tuple(self._mappings))


def _instances(seconds: float, detections: sv.Detections) -> Instances:
    ids = detections.tracker_id
    return Instances(
        seconds,
        [] if ids is None else ids.tolist(),
        [str(name) for name in detections.data.get("class_name", ())],
        detections.xyxy.astype(np.float32),
    )


def _true_instances(frame: FrameTruth) -> Instances:
    seen = [i for i in frame.instances if i.occlusion <= HIDDEN]
    return Instances(
        frame.seconds,
        [i.id for i in seen],
        [i.class_name for i in seen],
        np.array([i.box for i in seen], np.float32).reshape(-1, 4),
    )


def true_detections(frame: FrameTruth, classes: Sequence[str]) -> sv.Detections:
    """What can be seen, as a perfect detector and tracker would give it."""
    seen = _true_instances(frame)
    return sv.Detections(
        xyxy=seen.boxes,
        confidence=np.ones(len(seen.ids), np.float32),
        class_id=np.array([classes.index(name) for name in seen.classes], int),
        tracker_id=np.array(seen.ids, int),
        data={"class_name": np.array(seen.classes, dtype=object)},
    )
