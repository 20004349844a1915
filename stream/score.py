"""Stage `score`: the pairs of a round, or of some, get their evidence from one encoder pass."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import numpy as np
import supervision as sv

from models.pairs import PairScores
from models.vocabulary import Vocabulary
from stream.careful import Careful
from stream.flow import batches
from stream.frames import HELD, Image, Round, ScoredFrame, TrackedFrame
from stream.stats import FrameCounts

ScorePairs = Careful[tuple[Image, sv.Detections], PairScores]

_PERSON = "person"


class Score:
    """Frames in which nothing can happen never reach the encoder; `score` is the stage.

    `rates` are the most frames a second, by camera, that are scored at all, 0 for a camera that is
    there for its tracks; it is looked up anew for every frame. `together` rounds share a pass of
    the encoder and wait for each other.
    """

    def __init__(
        self,
        score_pairs: ScorePairs,
        vocabulary: Vocabulary,
        counts: FrameCounts | None = None,
        rates: Mapping[str, float] | None = None,
        *,
        together: int = 1,
    ) -> None:
        self._score_pairs = score_pairs
        self._objects = frozenset(vocabulary.objects)
        self._nothing = _no_scores(len(vocabulary.verbs))
        self._counts = counts or FrameCounts()
        self._rates = {} if rates is None else rates
        self._together = together
        self._due: dict[str, float] = {}  # media time from which a camera is scored again

    def score(self, rounds: Iterable[Round[TrackedFrame]]) -> Iterator[Round[ScoredFrame]]:
        for some in batches(rounds, self._together):
            yield from self._score(some)

    def _score(self, rounds: Sequence[Round[TrackedFrame]]) -> Iterator[Round[ScoredFrame]]:
        tracked = [each for round_ in rounds for each in round_.frames]
        reasons = [reason for round_ in rounds for reason in self._gates(round_)]
        open_ = [t for t, reason in zip(tracked, reasons, strict=True) if reason is None]
        scores = iter(
            self._score_pairs.run(
                [t.frame for t in open_], [(t.frame.image, t.detections) for t in open_]
            )
        )
        scored = iter(
            [
                self._scored(each, reason, None if reason is not None else next(scores))
                for each, reason in zip(tracked, reasons, strict=True)
            ]
        )
        for round_ in rounds:
            yield Round(tuple(islice(scored, len(round_.frames))), round_.ended)

    def _gates(self, round_: Round[TrackedFrame]) -> list[str | None]:
        reasons = [self._gate(tracked) for tracked in round_.frames]
        for camera in round_.ended:
            self._due.pop(camera, None)
        return reasons

    def _scored(
        self, tracked: TrackedFrame, reason: str | None, pairs: PairScores | None
    ) -> ScoredFrame:
        if reason is None and pairs is None:
            reason = "quarantined"
        elif reason is None and pairs is not None and not len(pairs.human):
            reason = "no_pair"
        if reason is None:
            self._counts.score(tracked.frame.camera)
        else:
            self._counts.gate(tracked.frame.camera, reason)
        scores = self._nothing if pairs is None else pairs
        return ScoredFrame(tracked.frame, tracked.detections, scores, reason)

    def _gate(self, tracked: TrackedFrame) -> str | None:
        camera, now = tracked.frame.camera, tracked.frame.media_time
        rate = self._rates.get(camera)
        if rate == 0:
            return "role"
        names = [str(name) for name in tracked.detections.data.get("class_name", ())]
        if _PERSON not in names:
            return "no_human"
        names.remove(_PERSON)  # nobody does something with themselves
        if not self._objects.intersection(names):
            return "no_object"
        if rate is not None:
            due = self._due.get(camera, now)
            if now < due - 1e-6:
                return HELD
            self._due[camera] = max(due + 1 / rate, now)
        return None


def _no_scores(verbs: int) -> PairScores:
    nobody = np.zeros(0, np.int64)
    nothing = np.zeros((0, verbs), np.float32)
    return PairScores(nobody, nobody, nothing, np.zeros((0, 0), np.float16), nothing)
