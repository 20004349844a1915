"""What plain CLIP sees of pairs, for a baseline: samples beside those of the bundle."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from models.evaluation.union_clip import UnionClip
from models.pairs import PairScores
from storage.interactions import Box
from storage.outbox import Record
from storage.pair_vectors import PairVector
from stream.frames import Round, TrackedFrame

UNION = "union"  # in place of a bundle's hash


class UnionSamples:
    """Passes rounds of one camera on and tells the vectors of all pairs now and then."""

    def __init__(
        self, clip: UnionClip, append: Callable[[Sequence[Record]], None], seconds: float
    ) -> None:
        """`seconds` of media time from sample to sample."""
        self._clip, self._append, self._seconds = clip, append, seconds
        self._due = 0.0

    def sample(self, rounds: Iterable[Round[TrackedFrame]]) -> Iterator[Round[TrackedFrame]]:
        for round_ in rounds:
            for tracked in round_.frames:
                if tracked.frame.media_time >= self._due:
                    self._due = tracked.frame.media_time + self._seconds
                    scores = self._clip.score([tracked.frame.image], [tracked.detections])[0]
                    self._append(_vectors(tracked, scores))
            yield round_


def _vectors(tracked: TrackedFrame, scores: PairScores) -> list[PairVector]:
    frame, found = tracked.frame, tracked.detections
    ids = [] if found.tracker_id is None else found.tracker_id.tolist()
    boxes: dict[int, Box] = {
        number: (x1, y1, x2, y2)
        for number, (x1, y1, x2, y2) in zip(ids, found.xyxy.tolist(), strict=True)
    }
    names = dict(zip(ids, found.data.get("class_name", ()), strict=True))
    pairs = zip(scores.human.tolist(), scores.object.tolist(), scores.vectors, strict=True)
    return [
        PairVector(
            camera=frame.camera,
            moment="sample",
            human_track=f"{frame.camera}:{frame.epoch}:{human}",
            object_track=f"{frame.camera}:{frame.epoch}:{thing}",
            object_class=str(names[thing]),
            taken_at=frame.wall_time,
            media_time=frame.media_time,
            human_box=boxes[human],
            object_box=boxes[thing],
            bundle=UNION,
            interaction=None,
            vector=vector,
        )
        for human, thing, vector in pairs
    ]
