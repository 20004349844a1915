"""`stream evaluate ask --false-alarms`: chosen false alarms a day against those that were.

Verbs that no vocabulary has are asked of stored pair vectors. Their scores on half of the footage
are fitted, and thresholds chosen by that; on the other half it is counted how often they are
passed by somebody who does something else. Then the halves change roles.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from models.evaluation.ask_words import NEW
from models.evaluation.diary import Diary, Found
from storage.certainty import DAY, Floats, Indices, find_moments, fit_beliefs
from storage.chances import APART
from storage.database import ReadSession, Sessions
from storage.speech import OpenVerbs
from storage.vector_rows import VectorScores, Views, look_at, score_vectors
from storage.windows import smoothed
from stream.footage import CLIP_SECONDS, Take

RATES = (2.0, 20.0, 200.0, 2000.0)  # false alarms a day
_WITHIN = 2.0  # a factor
_ENOUGH = 4.0  # expected alarms; of fewer a factor tells nothing


@dataclass(frozen=True)
class ChanceRow:
    """One choice, over all verbs."""

    per_day: float  # chosen
    verbs: int  # of which there was enough to fit, in either half
    expected: float  # false alarms in the footage that was tested
    observed: int
    near: float  # share of the verbs within a factor of two; NaN: too few alarms to tell


def evaluate_chances(
    sessions: Sessions,
    how: OpenVerbs,
    bundle: str,
    takes: Sequence[Take],
    *,
    rates: Sequence[float] = RATES,
) -> list[ChanceRow]:
    """What was recorded of the takes with the bundle's vectors."""
    diary = Diary((take.camera, take.began.timestamp(), take.truth) for take in takes)
    prototypes = how.speaks.prototypes(bundle, how.sentences(bundle, list(NEW)))
    scale, bias = how.speaks.calibration(bundle)
    with sessions() as session:
        scores = score_vectors(session, bundle, prototypes, {})

        def beliefs(column: int) -> Floats:
            evidence = scale * scores.logits[:, column] + bias
            smoothing, every = how.smoothing(bundle), how.every.total_seconds()
            return smoothed(scores.pair, scores.seconds, evidence, smoothing, every)

        halves = _halves(scores, takes)
        counted = [
            _count(session, diary, scores, beliefs(column), verb, halves, takes, rates)
            for column, verb in enumerate(NEW.values())
        ]
    return [
        _row(rate, [count for verb in counted for count in verb[n]]) for n, rate in enumerate(rates)
    ]


def _halves(scores: VectorScores, takes: Sequence[Take]) -> Indices:
    """Which half of the takes a row is of, (N,): every other take is of the other one."""
    cameras = np.array([human.rsplit(":", 2)[0] for human, _ in scores.pairs])[scores.pair]
    half = np.full(len(scores.seconds), -1, np.int64)
    for n, take in enumerate(takes):
        since = take.began.timestamp()
        inside = (scores.seconds >= since) & (scores.seconds <= since + CLIP_SECONDS)
        half[inside & (cameras == take.camera)] = n % 2
    return half


def _count(
    session: ReadSession,
    diary: Diary,
    scores: VectorScores,
    beliefs: Floats,
    verb: str,
    halves: Indices,
    takes: Sequence[Take],
    rates: Sequence[float],
) -> list[list[tuple[float, int]]]:
    """For each rate the expected and the observed false alarms of every half that was tested."""
    counts: list[list[tuple[float, int]]] = [[] for _ in rates]
    for half in (0, 1):
        fit, test = (_moments(scores, beliefs, halves == which) for which in (half, 1 - half))
        watched = len(takes[half::2]) * CLIP_SECONDS
        chance = fit_beliefs(beliefs[fit], watched)
        if chance is None:
            continue
        tested = len(takes[1 - half :: 2]) * CLIP_SECONDS
        for n, rate in enumerate(rates):
            told = test[beliefs[test] >= chance.threshold(rate)]
            views = look_at(session, scores, told.tolist())
            false = sum(not _is_true(diary, scores, row, verb, views) for row in told.tolist())
            counts[n].append((rate * tested / DAY, false))
    return counts


def _moments(scores: VectorScores, beliefs: Floats, wanted: np.ndarray) -> Indices:
    rows = np.flatnonzero(wanted)
    found = find_moments(beliefs[rows], scores.pair[rows], scores.seconds[rows], APART)
    return rows[found]


def _is_true(diary: Diary, scores: VectorScores, row: int, verb: str, views: Views) -> bool:
    view, at = views[row], float(scores.seconds[row])
    found = Found(view.camera, at, at, at, view.human_box, view.object_box, 1.0)
    return any(diary.shows(found, one) for one in diary.where(lambda h: h.verb == verb))


def _row(rate: float, counts: Sequence[tuple[float, int]]) -> ChanceRow:
    enough = [(e, o) for e, o in counts if e >= _ENOUGH]
    near = [e / _WITHIN <= o <= e * _WITHIN for e, o in enough]
    return ChanceRow(
        rate,
        len(counts),
        sum(expected for expected, _ in counts),
        sum(observed for _, observed in counts),
        float(np.mean(near)) if near else float("nan"),
    )
