"""Stage `track`: every frame gets its instances, every instance its number."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import supervision as sv

from models.tracker import Tracker
from stream.frames import Frame, Image, Round, TrackedFrame

Detect = Callable[[Sequence[Image]], list[sv.Detections]]


class Track:
    """One detector for all cameras, a tracker for each; `track` is the stage.

    A camera keeps its tracker over epochs: media time grows over them, so that a short loss of
    the connection is to the tracker what a short occlusion is.
    """

    def __init__(self, detect: Detect, make_tracker: Callable[[], Tracker]) -> None:
        self._detect, self._make_tracker = detect, make_tracker
        self._trackers: dict[str, Tracker] = {}

    def track(self, rounds: Iterable[Round[Frame]]) -> Iterator[Round[TrackedFrame]]:
        for round_ in rounds:
            found = self._detect([frame.image for frame in round_.frames]) if round_.frames else []
            frames = tuple(
                TrackedFrame(frame, self._number(frame, detections))
                for frame, detections in zip(round_.frames, found, strict=True)
            )
            for camera in round_.ended:
                self._trackers.pop(camera, None)
            yield Round(frames, round_.ended, round_.closing)

    def _number(self, frame: Frame, detections: sv.Detections) -> sv.Detections:
        tracker = self._trackers.get(frame.camera)
        if tracker is None:
            tracker = self._trackers[frame.camera] = self._make_tracker()
        return tracker.update(detections, frame.media_time, frame.image)
