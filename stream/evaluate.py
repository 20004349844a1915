"""`stream evaluate world`: held-out clips through the real stages, scored against their truth.

Every clip is rendered, written as H.264 and decoded again, then watched twice: from the bundle's
own detections and tracks, and from the true boxes with the true identities. Each is smoothed by
both filters, so the table tells how much is lost to detection and how much to smoothing.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv

from models.bundle import Bundle
from models.detector import Detector
from models.evaluation.detection import HIDDEN, DetectionReport, evaluate_detections
from models.evaluation.events import Event, Instances, Tally, id_switches, map_tracks, tally
from models.scorer import PairScorer
from models.tracker import Tracker
from models.world.clip import write_clip
from models.world.truth import ClipTruth, FrameTruth
from storage.interactions import Interaction, Kind, Phase
from stream.events import PICK_UP, PUT_DOWN, EventMaker, Lifecycle
from stream.frames import Frame, Round, ScoredFrame
from stream.smooth import FILTERS, Smoother, Smoothing
from stream.sources import read_file

FIRST_SEED = 10_000  # of the held-out clips; nothing is trained or tuned on these and the next 999
CLIP_SECONDS = 16.0
_MIN_SECONDS = 0.4  # true intervals shorter than this are not asked for
_BATCH = 8  # frames
_DETECTION_STEP = 5  # of these, frames next to each other would tell the same

_NO_IMAGE = np.zeros((1, 1, 3), np.uint8)
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class WatchedClip:
    """What the stages up to `score` made of one clip; images are gone."""

    truth: ClipTruth
    frames: tuple[ScoredFrame, ...]
    mappings: tuple[Mapping[int, int], ...]  # track -> truth id, per frame
    found: tuple[sv.Detections, ...] = ()  # what the detector gave, every few frames


def watch(
    seed: int, detector: Detector, scorer: PairScorer, tracking: Mapping[str, Any]
) -> WatchedClip:
    """A rendered clip, encoded, decoded, detected, tracked and scored."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        truth = write_clip(path, seed, CLIP_SECONDS)
        images = [frame.image for frame in read_file(path)]
    tracker = Tracker(detector.classes, **tracking)
    found: list[sv.Detections] = []
    for start in range(0, len(images), _BATCH):
        found += detector.detect(images[start : start + _BATCH])
    tracked = [
        tracker.update(detections, frame.seconds, image)
        for detections, frame, image in zip(found, truth.frames, images, strict=True)
    ]
    return replace(_scored(truth, tracked, scorer), found=tuple(found[::_DETECTION_STEP]))


def watch_truth(truth: ClipTruth, classes: Sequence[str], scorer: PairScorer) -> WatchedClip:
    """The same clip seen by a perfect detector and tracker."""
    perfect = [_true_detections(frame, classes) for frame in truth.frames]
    return _scored(truth, perfect, scorer)


def find_events(
    clip: WatchedClip, bundle: Bundle, smoothing: Smoothing, lifecycle: Lifecycle
) -> list[Interaction]:
    """The ended interactions of a watched clip."""
    maker = EventMaker(bundle.vocabulary, smoothing, lifecycle, bundle="", config="")
    rounds = Smoother(smoothing).smooth(Round((frame,)) for frame in clip.frames)
    changes = [
        change
        for round_ in maker.events(rounds)
        for group in (*(frame.changes for frame in round_.frames), round_.closing)
        for change in group
    ]
    return [c.interaction for c in changes if c.interaction.phase is Phase.END]


def compare(clip: WatchedClip, interactions: Iterable[Interaction]) -> Tally:
    """Count what was found, missed and invented."""
    predicted = [
        Event(
            i.verb,
            int(i.human_track.rpartition(":")[2]),
            int(i.object_track.rpartition(":")[2]),
            i.media_start,
            i.media_end,
            i.kind is Kind.MOMENT,
        )
        for i in interactions
    ]
    times = np.array([frame.frame.media_time for frame in clip.frames])
    return tally(predicted, true_events(clip.truth), times, clip.mappings)


def true_events(truth: ClipTruth) -> list[Event]:
    """All true events; those that could not be seen are marked `ignored`."""
    seen = {
        (frame.seconds, instance.id)
        for frame in truth.frames
        for instance in frame.instances
        if instance.occlusion <= HIDDEN
    }

    def hidden(human: int, thing: int, start: float, end: float) -> bool:
        times = [frame.seconds for frame in truth.frames if start <= frame.seconds <= end]
        both = sum((t, human) in seen and (t, thing) in seen for t in times)
        return both < 0.5 * len(times)

    events = [
        Event(
            i.verb,
            i.human,
            i.object,
            i.start,
            i.end,
            ignored=hidden(i.human, i.object, i.start, i.end),
        )
        for i in truth.intervals
        if i.end - i.start >= _MIN_SECONDS
    ]
    events += [
        Event(
            m.verb,
            m.human,
            m.object,
            m.seconds,
            m.seconds,
            True,
            hidden(m.human, m.object, m.seconds - 0.5, m.seconds + 0.5),
        )
        for m in truth.moments
    ]
    return events


@dataclass(frozen=True)
class EventRow:
    """One line of the table: precision, recall and F1 of intervals and of moments."""

    boxes: str  # "detected" | "true"
    filter: str
    intervals: tuple[float, float, float]
    moments: tuple[float, float, float]
    tally: Tally


@dataclass(frozen=True)
class WorldReport:
    """What `stream evaluate world` prints."""

    clips: int
    minutes: float
    detection: DetectionReport
    switches: float  # identity switches a clip-minute, detected boxes
    rows: tuple[EventRow, ...]


def evaluate_world(
    bundle: Bundle,
    detector: Detector,
    scorer: PairScorer,
    *,
    clips: int = 40,
    on_clip: Callable[[int], None] = lambda _: None,
) -> WorldReport:
    """The table over `clips` held-out clips, from the bundle's own settings for both filters."""
    detected, true = [], []
    for seed in range(FIRST_SEED, FIRST_SEED + clips):
        detected.append(watch(seed, detector, scorer, bundle.tracking))
        true.append(watch_truth(detected[-1].truth, detector.classes, scorer))
        on_clip(seed)
    rows = [
        _row(name, filter_, watched, bundle)
        for name, watched in (("detected", detected), ("true", true))
        for filter_ in FILTERS
    ]
    minutes = sum(clip.truth.frames[-1].seconds for clip in detected) / 60
    detection = evaluate_detections(
        [found for clip in detected for found in clip.found],
        [frame for clip in detected for frame in clip.truth.frames[::_DETECTION_STEP]],
    )
    return WorldReport(clips, minutes, detection, switches_per_minute(detected), tuple(rows))


def _row(boxes: str, filter_: str, watched: Sequence[WatchedClip], bundle: Bundle) -> EventRow:
    names = bundle.vocabulary.verb_names
    smoothing = Smoothing.from_dict(names, {**bundle.smoothing, "filter": filter_})
    lifecycle = Lifecycle.from_dict(bundle.events)
    total = Tally()
    for clip in watched:
        total.add(compare(clip, find_events(clip, bundle, smoothing, lifecycle)))
    moments = {verb.name for verb in bundle.vocabulary.verbs if verb.moment} | {PICK_UP, PUT_DOWN}
    intervals = (set(total.true) | set(total.predicted)) - moments
    return EventRow(boxes, filter_, total.f1(intervals), total.f1(moments), total)


def switches_per_minute(clips: Sequence[WatchedClip]) -> float:
    total = sum(id_switches(clip.mappings) for clip in clips)
    return total / (sum(clip.truth.frames[-1].seconds for clip in clips) / 60)


def _scored(truth: ClipTruth, tracked: Sequence[sv.Detections], scorer: PairScorer) -> WatchedClip:
    shape = (truth.height, truth.width, 3)
    blank = np.zeros(shape, np.uint8)
    frames, mappings = [], []
    tracks: dict[int, int] = {}  # truth id -> the track that covered it last
    for index, (frame_truth, detections) in enumerate(zip(truth.frames, tracked, strict=True)):
        scores = scorer.score([blank], [detections])[0]
        seconds = frame_truth.seconds
        frame = Frame(
            f"clip{truth.seed}", index, 0, seconds, _START + timedelta(seconds=seconds), _NO_IMAGE
        )
        frames.append(ScoredFrame(frame, detections, scores))
        found, true = _instances(seconds, detections), _true_instances(frame_truth)
        mappings.append(map_tracks(found, true, tracks))
        tracks |= {truth: track for track, truth in mappings[-1].items()}
    return WatchedClip(truth, tuple(frames), tuple(mappings))


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


def _true_detections(frame: FrameTruth, classes: Sequence[str]) -> sv.Detections:
    seen = _true_instances(frame)
    return sv.Detections(
        xyxy=seen.boxes,
        confidence=np.ones(len(seen.ids), np.float32),
        class_id=np.array([classes.index(name) for name in seen.classes], int),
        tracker_id=np.array(seen.ids, int),
        data={"class_name": np.array(seen.classes, dtype=object)},
    )
