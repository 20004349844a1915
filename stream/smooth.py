"""Stage `smooth`: per (human, object, verb) a filter over seconds turns evidence into belief.

Two filters behind one interface: `Average` (exponential mean of the probability) and `TwoState`
(a continuous-time Bayes filter with an on and an off state). A pair that is not seen is only
predicted; frames per second do not matter, seconds do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from models.pairs import PairScores
from storage.smoothing import VerbSmoothing
from stream.frames import HELD, Beliefs, Round, ScoredFrame, SmoothedFrame

Floats = npt.NDArray[np.float32]

FILTERS = ("average", "two_state")

_FORGET_SECONDS = 3.0  # a pair that was not seen for so long has no belief any more
_EVIDENCE_LIMIT = 6.0  # log-odds; one frame may not decide alone


@dataclass(frozen=True)
class Smoothing:
    """The filter's name and every verb's settings."""

    filter: str  # "average" | "two_state"
    verbs: tuple[VerbSmoothing, ...]  # (V,)
    exclusive: tuple[int, ...] = ()  # verbs that one person at a time does with a thing
    default: VerbSmoothing = field(
        default_factory=VerbSmoothing
    )  # of verbs that are asked for later

    @classmethod
    def from_dict(cls, verbs: Sequence[str], settings: Mapping[str, Any]) -> "Smoothing":
        """`{"filter": ..., "default": {...}, "verbs": {name: {...}}}`; ValueError names a typo."""
        name = settings.get("filter", "average")
        if name not in FILTERS:
            raise ValueError(f"smoothing.filter must be {' or '.join(FILTERS)}, not {name!r}")
        default, special = settings.get("default", {}), settings.get("verbs", {})
        known = {f.name for f in fields(VerbSmoothing)}
        for where, keys in (("default", default), *special.items()):
            if unknown := set(keys) - known:
                raise ValueError(f"smoothing.{where}: unknown setting {sorted(unknown)[0]!r}")
        exclusive = settings.get("exclusive", ())
        return cls(
            name,
            tuple(VerbSmoothing(**default | special.get(v, {})) for v in verbs),
            tuple(i for i, verb in enumerate(verbs) if verb in exclusive),
            VerbSmoothing(**default),
        )

    def widened(self, verbs: int) -> "Smoothing":
        """For so many verbs, no fewer than there are."""
        more = (self.default,) * (verbs - len(self.verbs))
        return replace(self, verbs=(*self.verbs, *more))

    def column(self, name: str) -> Floats:
        """One setting of all verbs, (V,)."""
        return np.array([getattr(verb, name) for verb in self.verbs], np.float32)


class Filter(Protocol):
    """Belief over time of P pairs and V verbs."""

    def start(self, evidence: Floats, elapsed: float) -> Floats:
        """Belief at the first sight of pairs, (P, V)."""

    def predict(self, belief: Floats, elapsed: float) -> Floats:
        """Belief after `elapsed` seconds without evidence."""

    def update(self, belief: Floats, evidence: Floats, elapsed: float) -> Floats:
        """Belief after `elapsed` seconds that end in `evidence` (log-odds, -inf: impossible)."""


class Average:
    """Exponential mean of the probability; without evidence it fades within a second."""

    _FADE_SECONDS = 1.0

    def __init__(self, smoothing: Smoothing) -> None:
        self._tau, self._bias = smoothing.column("tau"), smoothing.column("bias")

    def start(self, evidence: Floats, elapsed: float) -> Floats:
        return self.update(np.zeros_like(evidence), evidence, elapsed)

    def predict(self, belief: Floats, elapsed: float) -> Floats:
        return belief * np.float32(np.exp(-elapsed / self._FADE_SECONDS))

    def update(self, belief: Floats, evidence: Floats, elapsed: float) -> Floats:
        gain = (1 - np.exp(-elapsed / self._tau)).astype(np.float32)
        updated: Floats = belief + gain * (_probability(evidence + self._bias) - belief)
        return updated


class TwoState:
    """Two-state Bayes filter in continuous time (`docs/architecture.md`, smoothing)."""

    def __init__(self, smoothing: Smoothing) -> None:
        on, off = smoothing.column("on_rate"), smoothing.column("off_rate")
        self._bias = smoothing.column("bias")
        self._decorrelation = smoothing.column("decorrelation")
        self._base, self._rate = on / (on + off), on + off

    def start(self, evidence: Floats, elapsed: float) -> Floats:
        belief = np.broadcast_to(self._base, evidence.shape).astype(np.float32)
        return self.update(belief, evidence, elapsed)

    def predict(self, belief: Floats, elapsed: float) -> Floats:
        gain = (1 - np.exp(-self._rate * elapsed)).astype(np.float32)
        predicted: Floats = belief + gain * (self._base - belief)
        return predicted

    def update(self, belief: Floats, evidence: Floats, elapsed: float) -> Floats:
        belief = np.clip(self.predict(belief, elapsed), 1e-4, 1 - 1e-4)
        ratio = np.clip(evidence + self._bias, -_EVIDENCE_LIMIT, _EVIDENCE_LIMIT)
        weight = 1 - np.exp(-elapsed / self._decorrelation)
        updated = _probability(np.log(belief / (1 - belief)) + weight * ratio)
        return np.where(np.isneginf(evidence), np.float32(0), updated).astype(np.float32)


def make_filter(smoothing: Smoothing) -> Filter:
    return Average(smoothing) if smoothing.filter == "average" else TwoState(smoothing)


@dataclass
class _Camera:
    """The live pairs of one camera: rows of human, object, belief, last seen."""

    human: npt.NDArray[np.int64]
    object: npt.NDArray[np.int64]
    belief: Floats
    seen: npt.NDArray[np.float64]
    now: float | None = None  # media time of the last frame that was not held

    def widen(self, verbs: int) -> None:
        """Of a verb that nobody listened for nothing is believed."""
        missing = np.zeros((len(self.belief), verbs - self.belief.shape[1]), np.float32)
        self.belief = np.concatenate([self.belief, missing], 1)

    def keep(self, rows: npt.NDArray[np.bool_]) -> None:
        self.human, self.object = self.human[rows], self.object[rows]
        self.belief, self.seen = self.belief[rows], self.seen[rows]

    def beliefs(self) -> Beliefs:
        observed = self.seen == self.now
        return Beliefs(self.human.copy(), self.object.copy(), self.belief.copy(), observed)


class Smoother:
    """Owns the memory of who did what to whom; `smooth` is the stage.

    Scores may become wider, when verbs join that are asked for; then all beliefs do.
    """

    def __init__(self, smoothing: Smoothing) -> None:
        self._smoothing = smoothing
        self._filter = make_filter(smoothing)
        self._verbs = len(smoothing.verbs)
        self._exclusive = np.array(smoothing.exclusive, int)
        self._cameras: dict[str, _Camera] = {}

    def smooth(self, rounds: Iterable[Round[ScoredFrame]]) -> Iterator[Round[SmoothedFrame]]:
        for round_ in rounds:
            frames = tuple(self._smooth_frame(scored) for scored in round_.frames)
            for camera in round_.ended:
                self._cameras.pop(camera, None)
            yield Round(frames, round_.ended)

    def _smooth_frame(self, scored: ScoredFrame) -> SmoothedFrame:
        if scored.scores.evidence.shape[1] > self._verbs:
            self._widen(scored.scores.evidence.shape[1])
        camera = self._cameras.setdefault(scored.frame.camera, _empty(self._verbs))
        if scored.gated == HELD:
            beliefs = camera.beliefs()
        else:
            beliefs = self._step(camera, scored.scores, scored.frame.media_time)
        return SmoothedFrame(scored.frame, scored.detections, scored.scores, beliefs, scored.looks)

    def _widen(self, verbs: int) -> None:
        self._verbs = verbs
        self._smoothing = self._smoothing.widened(verbs)
        self._filter = make_filter(self._smoothing)
        for camera in self._cameras.values():
            camera.widen(verbs)

    def _step(self, camera: _Camera, scores: PairScores, now: float) -> Beliefs:
        elapsed = 0.0 if camera.now is None else max(0.0, now - camera.now)
        camera.now = now
        camera.keep(now - camera.seen <= _FORGET_SECONDS)  # what comes back later begins anew
        rows = {
            pair: row
            for row, pair in enumerate(
                zip(camera.human.tolist(), camera.object.tolist(), strict=True)
            )
        }
        pairs = list(zip(scores.human.tolist(), scores.object.tolist(), strict=True))
        old = np.array([i for i, pair in enumerate(pairs) if pair in rows], int)
        new = np.array([i for i, pair in enumerate(pairs) if pair not in rows], int)
        at = np.array([rows[pairs[i]] for i in old], int)
        evidence = share_out(scores, self._exclusive)
        if not len(evidence):  # of a frame without pairs, however wide that is
            evidence = np.zeros((0, self._verbs), np.float32)
        belief = self._filter.predict(camera.belief, elapsed)
        if len(old):
            belief[at] = self._filter.update(camera.belief[at], evidence[old], elapsed)
            camera.seen[at] = now
        first = self._filter.start(evidence[new], elapsed)
        camera.human = np.concatenate([camera.human, scores.human[new]])
        camera.object = np.concatenate([camera.object, scores.object[new]])
        camera.belief = np.concatenate([belief, first]).astype(np.float32)
        camera.seen = np.concatenate([camera.seen, np.full(len(new), now)])
        return camera.beliefs()


def _empty(verbs: int) -> _Camera:
    none = np.zeros(0, np.int64)
    return _Camera(none, none, np.zeros((0, verbs), np.float32), np.zeros(0))


def _probability(log_odds: Floats) -> Floats:
    probability: Floats = expit(log_odds).astype(np.float32)
    return probability


def share_out(scores: PairScores, exclusive: npt.NDArray[np.int64]) -> Floats:
    """Evidence (P, V) in which the holders of one thing compete for the `exclusive` verbs.

    Only one person at a time can hold a cup. With odds o_h of every person h and "nobody" at 1,
    the share of h is o_h / (1 + sum o), so its log-odds lose log(1 + sum of the others' odds).
    """
    evidence = scores.evidence.copy()
    for thing in np.unique(scores.object):
        rows = np.flatnonzero(scores.object == thing)
        if len(rows) < 2:
            continue
        odds = np.exp(np.clip(scores.evidence[np.ix_(rows, exclusive)], -30, 30))  # (R, E)
        others = odds.sum(0, keepdims=True) - odds
        evidence[np.ix_(rows, exclusive)] -= np.log1p(np.clip(others, 0, None))
    return evidence
