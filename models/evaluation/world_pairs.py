"""How well near pairs of held-out world frames are told apart, from true boxes (HOI mAP).

Per (verb, class) the average precision over all near pairs with a thing of that class; the mean
of these over the combinations that training saw, and over those that were held out.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import supervision as sv

from models.datasets.examples import Floats, Ints
from models.datasets.world import HIDDEN, world_vocabulary
from models.evaluation.precision import area_ap
from models.scorer import PairScorer
from models.training.world_frames import RENDERED_TO_INPUT, decode, read_clip
from models.vocabulary import Vocabulary
from models.world.truth import UNSEEN, FrameTruth

_BATCH = 16  # frames
_LEAST = 2  # positives; a combination with fewer tells nothing
_DRAWS = 1000  # of the bootstrap, by clip

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class ScoredPairs:
    """P near pairs of a person and a thing, with what is true of them."""

    logits: Floats  # (P, V) raw
    labels: Bools  # (P, V)
    classes: Ints  # (P,) of the vocabulary
    clips: Ints  # (P,) number of the clip


@dataclass(frozen=True)
class ZeroShot:
    """Mean average precisions from 0 to 1."""

    seen: float
    unseen: float
    intervals: tuple[tuple[float, float], ...]  # 95 % by clip, of seen, unseen and hm

    @property
    def hm(self) -> float:
        """Harmonic mean."""
        return harmonic_mean(self.seen, self.unseen)


def score_world(clips: Sequence[Path], scorer: PairScorer) -> ScoredPairs:
    """Every kept frame of the clips, from its true boxes."""
    vocabulary = world_vocabulary()
    parts = []
    for number, path in enumerate(clips):
        frames = [
            (decode(jpeg), truth, true_detections(truth))
            for jpeg, truth in zip(*read_clip(path), strict=True)
        ]
        for start in range(0, len(frames), _BATCH):
            some = frames[start : start + _BATCH]
            results = scorer.score([image for image, _, _ in some], [found for _, _, found in some])
            for (_, truth, found), pairs in zip(some, results, strict=True):
                labels = pair_labels(truth, pairs.human, pairs.object, vocabulary)
                classes = classes_of(found, pairs.object, vocabulary)
                clip = np.full(len(labels), number, np.int64)
                parts.append((pairs.logits, labels, classes, clip))
    logits, labels, classes, clips_ = (np.concatenate(part) for part in zip(*parts, strict=True))
    return ScoredPairs(logits, labels, classes, clips_)


def true_detections(truth: FrameTruth) -> sv.Detections:
    """What can be seen, in pixels of a stored frame; track numbers are the truth's."""
    seen = [one for one in truth.instances if one.occlusion <= HIDDEN]
    boxes = np.array([one.box for one in seen], np.float32).reshape(-1, 4)
    return sv.Detections(
        boxes * np.float32(RENDERED_TO_INPUT),
        confidence=np.ones(len(seen), np.float32),
        tracker_id=np.array([one.id for one in seen], int),
        data={"class_name": np.array([one.class_name for one in seen], dtype=object)},
    )


def pair_labels(truth: FrameTruth, human: Ints, thing: Ints, vocabulary: Vocabulary) -> Bools:
    """(P, V) of pairs of track numbers."""
    done = {(pair.human, pair.object): pair.verbs for pair in truth.pairs}
    rows = [done.get(pair, ()) for pair in zip(human.tolist(), thing.tolist(), strict=True)]
    names = vocabulary.verb_names
    return np.array([[name in verbs for name in names] for verbs in rows], bool).reshape(
        -1, len(names)
    )


def classes_of(found: sv.Detections, tracks: Ints, vocabulary: Vocabulary) -> Ints:
    """(P,) class numbers of track numbers."""
    assert found.tracker_id is not None
    names = dict(zip(found.tracker_id.tolist(), found.data["class_name"], strict=True))
    return np.array([vocabulary.objects.index(names[t]) for t in tracks.tolist()], np.int64)


def zero_shot(pairs: ScoredPairs, *, seed: int = 0) -> ZeroShot:
    """Means over combinations, with intervals by drawing clips anew."""
    cells = list(_cells(world_vocabulary(), pairs))
    seen, unseen = _means(cells, pairs, np.ones(len(pairs.clips), np.int64))
    rng = np.random.default_rng(seed)
    count = int(pairs.clips.max(initial=0)) + 1
    drawn = []
    for _ in range(_DRAWS):
        times = np.bincount(rng.integers(count, size=count), minlength=count)
        s, u = _means(cells, pairs, times[pairs.clips])
        drawn.append((s, u, harmonic_mean(s, u)))
    low, high = np.nanpercentile(np.array(drawn), (2.5, 97.5), axis=0)
    return ZeroShot(seen, unseen, tuple(zip(low.tolist(), high.tolist(), strict=True)))


def average_precisions(pairs: ScoredPairs) -> dict[tuple[str, str], tuple[float, int]]:
    """(verb, class) -> average precision, positives."""
    vocabulary = world_vocabulary()
    names = vocabulary.verb_names
    ones = np.ones(len(pairs.clips), np.int64)
    return {
        (names[verb], vocabulary.objects[thing]): (
            _ap(rows, verb, pairs, ones),
            int(pairs.labels[rows, verb].sum()),
        )
        for verb, thing, rows, _ in _cells(vocabulary, pairs)
    }


def harmonic_mean(seen: float, unseen: float) -> float:
    return 2 * seen * unseen / (seen + unseen) if seen + unseen > 0 else 0.0


def _cells(vocabulary: Vocabulary, pairs: ScoredPairs) -> Iterator[tuple[int, int, Ints, bool]]:
    """Verb, class, rows of the class's pairs by falling score, held out or not."""
    for thing, verbs in enumerate(vocabulary.allowed):
        rows = np.flatnonzero(pairs.classes == thing)
        for verb in verbs:
            if pairs.labels[rows, verb].sum() < _LEAST:
                continue
            held_out = (vocabulary.verb_names[verb], vocabulary.objects[thing]) in UNSEEN
            yield verb, thing, rows, held_out


def _means(
    cells: Sequence[tuple[int, int, Ints, bool]], pairs: ScoredPairs, times: Ints
) -> tuple[float, float]:
    """Of the seen and of the held-out combinations, each pair counted `times` (P,)."""
    groups: tuple[list[float], list[float]] = ([], [])
    for verb, _, rows, held_out in cells:
        groups[held_out].append(_ap(rows, verb, pairs, times))
    seen, unseen = (float(np.nanmean(group)) if group else float("nan") for group in groups)
    return seen, unseen


def _ap(rows: Ints, verb: int, pairs: ScoredPairs, times: Ints) -> float:
    drawn = np.repeat(rows, times[rows])
    hits = pairs.labels[drawn, verb]
    return area_ap(pairs.logits[drawn, verb], hits, int(hits.sum()))
