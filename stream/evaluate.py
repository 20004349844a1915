"""`stream evaluate world`: held-out clips through the real stages, scored against their truth.

Every clip is rendered, written as H.264 and decoded again, then watched twice: from the bundle's
own detections and tracks, and from the true boxes with the true identities. Each is smoothed by
both filters, so the table tells how much is lost to detection and how much to smoothing.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from models.bundle import Bundle
from models.detector import Detector
from models.evaluation.detection import HIDDEN, DetectionReport, evaluate_detections
from models.evaluation.events import (
    F1,
    Event,
    Tally,
    compare_clips,
    id_switches,
    score_clips,
    tally,
)
from models.scorer import PairScorer
from models.world.truth import ClipTruth
from storage.interactions import PICK_UP, PUT_DOWN, Interaction, Kind, Phase
from stream.events import EventMaker, Lifecycle
from stream.frames import Round
from stream.smooth import FILTERS, Smoother, Smoothing
from stream.world_clips import DETECTION_STEP, WatchedClip, watch

FIRST_SEED = 10_000  # of the held-out clips; nothing is trained or tuned on these and the next 999
_MIN_SECONDS = 0.4  # true intervals shorter than this are not asked for


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
    """One line of the table: how well intervals or moments are found."""

    boxes: str  # "detected" | "true"
    filter: str
    kind: str  # "intervals" | "moments"
    verbs: frozenset[str]
    clips: tuple[Tally, ...]

    @property
    def score(self) -> F1:
        return score_clips(self.clips, self.verbs)

    def less(self, other: "EventRow") -> tuple[float, float, float]:
        """F1 less that of the same line of another bundle, with its interval."""
        return compare_clips(self.clips, other.clips, self.verbs | other.verbs)


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
    watched = []
    for seed in range(FIRST_SEED, FIRST_SEED + clips):
        watched.append(watch(seed, detector, scorer, bundle.tracking))
        on_clip(seed)
    detected, true = [one.detected for one in watched], [one.true for one in watched]
    rows = [
        row
        for boxes, seen in (("detected", detected), ("true", true))
        for filter_ in FILTERS
        for row in _rows(boxes, filter_, seen, bundle)
    ]
    minutes = sum(clip.truth.frames[-1].seconds for clip in detected) / 60
    detection = evaluate_detections(
        [found for one in watched for found in one.found],
        [frame for clip in detected for frame in clip.truth.frames[::DETECTION_STEP]],
    )
    return WorldReport(clips, minutes, detection, switches_per_minute(detected), tuple(rows))


def _rows(
    boxes: str, filter_: str, watched: Sequence[WatchedClip], bundle: Bundle
) -> Iterator[EventRow]:
    names = bundle.vocabulary.verb_names
    smoothing = Smoothing.from_dict(names, {**bundle.smoothing, "filter": filter_})
    lifecycle = Lifecycle.from_dict(bundle.events)
    clips = tuple(
        compare(clip, find_events(clip, bundle, smoothing, lifecycle)) for clip in watched
    )
    told = frozenset(verb for clip in clips for verb in (*clip.true, *clip.predicted))
    moments = {verb.name for verb in bundle.vocabulary.verbs if verb.moment} | {PICK_UP, PUT_DOWN}
    yield EventRow(boxes, filter_, "intervals", told - moments, clips)
    yield EventRow(boxes, filter_, "moments", frozenset(moments), clips)


def switches_per_minute(clips: Sequence[WatchedClip]) -> float:
    total = sum(id_switches(clip.mappings) for clip in clips)
    return total / (sum(clip.truth.frames[-1].seconds for clip in clips) / 60)
