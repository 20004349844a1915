"""Stages `detect` and `track`: every frame gets its instances, every instance its number."""

from collections.abc import Callable, Iterable, Iterator

import supervision as sv

from models.tracker import Tracker
from stream.careful import Careful, Quarantine
from stream.frames import DetectedFrame, Frame, Image, Round, TrackedFrame
from stream.stats import FrameCounts

FindInstances = Careful[Image, sv.Detections]


class Detect:
    """One detector for all cameras; `detect` is the stage.

    A frame on which it fails is kept aside and counted; the others go on.
    """

    def __init__(self, find: FindInstances, counts: FrameCounts | None = None) -> None:
        self._find, self._counts = find, counts or FrameCounts()

    def detect(self, rounds: Iterable[Round[Frame]]) -> Iterator[Round[DetectedFrame]]:
        for round_ in rounds:
            found = self._find.run(round_.frames, [frame.image for frame in round_.frames])
            frames = []
            for frame, detections in zip(round_.frames, found, strict=True):
                if detections is None:
                    self._counts.drop(frame.camera, "quarantined")
                else:
                    frames.append(DetectedFrame(frame, detections))
            yield Round(tuple(frames), round_.ended)


class Track:
    """A tracker for each camera; `track` is the stage.

    A camera keeps its tracker over epochs: media time grows over them, so that a short loss of
    the connection is to the tracker what a short occlusion is.
    """

    def __init__(
        self,
        make_tracker: Callable[[], Tracker],
        quarantine: Quarantine,
        counts: FrameCounts | None = None,
    ) -> None:
        self._make_tracker, self._quarantine = make_tracker, quarantine
        self._counts = counts or FrameCounts()
        self._trackers: dict[str, Tracker] = {}

    def track(self, rounds: Iterable[Round[DetectedFrame]]) -> Iterator[Round[TrackedFrame]]:
        for round_ in rounds:
            tracked = [self._number(found.frame, found.detections) for found in round_.frames]
            for camera in round_.ended:
                self._trackers.pop(camera, None)
            frames = tuple(frame for frame in tracked if frame is not None)
            yield Round(frames, round_.ended)

    def _number(self, frame: Frame, detections: sv.Detections) -> TrackedFrame | None:
        tracker = self._trackers.get(frame.camera)
        if tracker is None:
            tracker = self._trackers[frame.camera] = self._make_tracker()
        try:
            numbered = tracker.update(detections, frame.media_time, frame.image)
        except Exception as error:
            self._quarantine.keep(frame, "track", error)
            self._counts.drop(frame.camera, "quarantined")
            return None
        return TrackedFrame(frame, numbered)
