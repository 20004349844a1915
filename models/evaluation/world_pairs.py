"""How well near pairs of held-out world frames are told apart, from true boxes (HOI mAP).

Per (verb, class) the average precision over all near pairs with a thing of that class; the mean
of these over the combinations that training saw, and over those that were held out.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import supervision as sv

from models.bundle import Bundle
from models.datasets.examples import Floats, Ints
from models.datasets.world import HIDDEN, world_vocabulary
from models.errors import ModelError
from models.evaluation.precision import area_ap
from models.scorer import PairScorer, load_scorer
from models.training.world_frames import RENDERED_TO_INPUT, decode, read_clip
from models.vocabulary import Vocabulary
from models.world.truth import UNSEEN, FrameTruth

_BATCH = 16  # frames
_LEAST = 2  # positives; a combination with fewer tells nothing
_DRAWS = 1000  # of the bootstrap, by clip

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Hidden = frozenset[tuple[str, str]]  # (verb, class)


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


def score_bundle(clips: Sequence[Path], bundle: Bundle) -> ScoredPairs:
    """As `score_world`; ModelError for a bundle that has not the verbs and things of the world."""
    vocabulary, world = bundle.vocabulary, world_vocabulary()
    if (vocabulary.verb_names, vocabulary.objects) != (world.verb_names, world.objects):
        raise ModelError(f"bundle {bundle.name}: its vocabulary is not that of the world")
    return score_world(clips, load_scorer(bundle))


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


def zero_shot(
    runs: Sequence[ScoredPairs], hidden: Hidden = UNSEEN, *, draws: int = _DRAWS, seed: int = 0
) -> ZeroShot:
    """Means over the combinations and over `runs`, which scored the same pairs after trainings
    with other seeds; intervals by drawing clips anew."""
    rng = np.random.default_rng(seed)
    count = int(runs[0].clips.max(initial=0)) + 1
    times = [np.bincount(rng.integers(count, size=count), minlength=count) for _ in range(draws)]
    drawn = np.array([np.ones(count, np.int64), *times])  # (draws + 1, clips)
    means = np.mean([_means(run, hidden, drawn) for run in runs], 0)  # (2, draws + 1)
    seen, unseen = means
    hm = [harmonic_mean(*both) for both in means.T.tolist()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # nothing was held out in these clips
        low, high = np.nanpercentile(np.array([seen, unseen, hm])[:, 1:], (2.5, 97.5), axis=1)
    return ZeroShot(
        float(seen[0]), float(unseen[0]), tuple(zip(low.tolist(), high.tolist(), strict=True))
    )


def average_precisions(pairs: ScoredPairs) -> dict[tuple[str, str], tuple[float, int]]:
    """(verb, class) -> average precision, positives."""
    vocabulary = world_vocabulary()
    names = vocabulary.verb_names
    return {
        (names[verb], vocabulary.objects[thing]): (
            area_ap(pairs.logits[rows, verb], hits, int(hits.sum())),
            int(hits.sum()),
        )
        for verb, thing, rows in _cells(vocabulary, pairs)
        for hits in [pairs.labels[rows, verb]]
    }


def harmonic_mean(seen: float, unseen: float) -> float:
    return 2 * seen * unseen / (seen + unseen) if seen + unseen > 0 else 0.0


def _cells(vocabulary: Vocabulary, pairs: ScoredPairs) -> Iterator[tuple[int, int, Ints]]:
    """Verb, class, rows of the class's pairs."""
    for thing, verbs in enumerate(vocabulary.allowed):
        rows = np.flatnonzero(pairs.classes == thing)
        for verb in verbs:
            if pairs.labels[rows, verb].sum() < _LEAST:
                continue
            yield verb, thing, rows


def _means(pairs: ScoredPairs, hidden: Hidden, drawn: Ints) -> Doubles:
    """(2, draws): of seen and of held-out combinations; clips count as `drawn` (draws, C)."""
    vocabulary = world_vocabulary()
    groups: tuple[list[Doubles], list[Doubles]] = ([], [])
    for verb, thing, rows in _cells(vocabulary, pairs):
        held_out = (vocabulary.verb_names[verb], vocabulary.objects[thing]) in hidden
        groups[held_out].append(_drawn_ap(pairs, verb, rows, drawn))
    empty = np.full(len(drawn), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a combination that a draw left out
        return np.array([np.nanmean(group, 0) if group else empty for group in groups])


def _drawn_ap(pairs: ScoredPairs, verb: int, rows: Ints, drawn: Ints) -> Doubles:
    """(draws,): what `area_ap` gives where each pair counts as often as its clip was drawn."""
    scores, hits = pairs.logits[rows, verb], pairs.labels[rows, verb]
    order = np.lexsort((hits, -scores))
    times = drawn[:, pairs.clips[rows[order]]]  # (draws, R)
    hit = times * hits[order]
    found, told = hit.cumsum(1), times.cumsum(1)
    precision = np.divide(found, told, out=np.zeros(found.shape), where=told > 0)
    envelope = np.maximum.accumulate(precision[:, ::-1], 1)[:, ::-1]
    total = found[:, -1]
    sums = (hit * envelope).sum(1)
    ap: Doubles = np.divide(sums, total, out=np.full(len(drawn), np.nan), where=total > 0)
    return ap
