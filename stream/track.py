"""Stage `track`: every frame gets its instances, every instance its number."""

from collections.abc import Callable, Iterable, Iterator

import supervision as sv

from models.tracker import Tracker
from stream.careful import Careful, Quarantine
from stream.frames import Frame, Image, Round, TrackedFrame
from stream.stats import FrameCounts

Detect = Careful[Image, sv.Detections]


class Track:
    """One detector for all cameras, a tracker for each; `track` is the stage.

    A camera keeps its tracker over epochs: media time grows over them, so that a short loss of
    the connection is to the tracker what a short occlusion is. A frame on which detector or
    tracker fails is kept aside and counted; the others go on.
    """

    def __init__(
        self,
        detect: Detect,
        make_tracker: Callable[[], Tracker],
        quarantine: Quarantine,
        counts: FrameCounts | None = None,
    ) -> None:
        self._detect, self._make_tracker = detect, make_tracker
        self._quarantine, self._counts = quarantine, counts or FrameCounts()
        self._trackers: dict[str, Tracker] = {}

    def track(self, rounds: Iterable[Round[Frame]]) -> Iterator[Round[TrackedFrame]]:
        for round_ in rounds:
            found = self._detect.run(round_.frames, [frame.image for frame in round_.frames])
            tracked = [
                self._number(frame, detections)
                for frame, detections in zip(round_.frames, found, strict=True)
            ]
            for camera in round_.ended:
                self._trackers.pop(camera, None)
            frames = tuple(frame for frame in tracked if frame is not None)
            yield Round(frames, round_.ended, round_.closing)

    def _number(self, frame: Frame, detections: sv.Detections | None) -> TrackedFrame | None:
        tracker = self._trackers.get(frame.camera)
        if tracker is None:
            tracker = self._trackers[frame.camera] = self._make_tracker()
        if detections is not None:
            try:
                numbered = tracker.update(detections, frame.media_time, frame.image)
                return TrackedFrame(frame, numbered)
            except Exception as error:
                self._quarantine.keep(frame, "track", error)
        self._counts.drop(frame.camera, "quarantined")
        return None
