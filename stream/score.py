"""Stage `score`: the pairs of a round get their verb evidence, from one encoder pass."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import supervision as sv

from models.pairs import PairScores
from models.vocabulary import Vocabulary
from stream.frames import Image, Round, ScoredFrame, TrackedFrame
from stream.stats import FrameCounts

ScorePairs = Callable[[Sequence[Image], Sequence[sv.Detections]], list[PairScores]]

_PERSON = "person"


class Score:
    """Frames in which nothing can happen never reach the encoder; `score` is the stage."""

    def __init__(
        self,
        score_pairs: ScorePairs,
        vocabulary: Vocabulary,
        counts: FrameCounts | None = None,
    ) -> None:
        self._score_pairs = score_pairs
        self._objects = frozenset(vocabulary.objects)
        self._nothing = _no_scores(len(vocabulary.verbs))
        self._counts = counts or FrameCounts()

    def score(self, rounds: Iterable[Round[TrackedFrame]]) -> Iterator[Round[ScoredFrame]]:
        for round_ in rounds:
            reasons = [self._gate(tracked.detections) for tracked in round_.frames]
            open_ = [t for t, r in zip(round_.frames, reasons, strict=True) if r is None]
            scores = iter(
                self._score_pairs([t.frame.image for t in open_], [t.detections for t in open_])
                if open_
                else []
            )
            frames = []
            for tracked, reason in zip(round_.frames, reasons, strict=True):
                pairs = self._nothing if reason is not None else next(scores)
                if reason is None and not len(pairs.human):
                    reason = "no_pair"
                self._count(tracked.frame.camera, reason)
                frames.append(ScoredFrame(tracked.frame, tracked.detections, pairs, reason))
            yield Round(tuple(frames), round_.ended, round_.closing)

    def _gate(self, detections: sv.Detections) -> str | None:
        names = [str(name) for name in detections.data.get("class_name", ())]
        if _PERSON not in names:
            return "no_human"
        names.remove(_PERSON)  # nobody does something with themselves
        return None if self._objects.intersection(names) else "no_object"

    def _count(self, camera: str, reason: str | None) -> None:
        if reason is None:
            self._counts.score(camera)
        else:
            self._counts.gate(camera, reason)


def _no_scores(verbs: int) -> PairScores:
    nobody = np.zeros(0, np.int64)
    nothing = np.zeros((0, verbs), np.float32)
    return PairScores(nobody, nobody, nothing, np.zeros((0, 0), np.float16), nothing)
