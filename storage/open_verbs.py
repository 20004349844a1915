"""Moments of verbs that nobody configured, found in the pair vectors that are stored."""

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import numpy as np
from scipy.special import expit, logit
from sqlalchemy.orm import Session

from storage.chances import Expected, Judgement, judge
from storage.filters import Filters
from storage.horizon import Horizon, find_horizon
from storage.interactions import Interaction
from storage.looks import Looks
from storage.null_scores import nulls
from storage.question import Clause
from storage.speech import MOTION, OpenVerbs
from storage.told_windows import order_of, told
from storage.vector_rows import (
    Floats,
    VectorScores,
    bundles_with_vectors,
    count_vectors,
    score_vectors,
)
from storage.windows import find_windows, least_evidence

MOST_MOMENTS = 10_000  # of one verb
_UNSURE = 0.75  # sampling intervals: half of the longest that a pair in sight goes unsampled
_WEAK = 0.1  # belief from which a moment that was not told is shown as less sure
_MOST_WEAK = 100_000  # vectors that are looked through for these, about a second; else none


@dataclass(frozen=True)
class Asked:
    """What a bundle's vectors are asked for."""

    bundle: str
    phrases: tuple[str, ...]  # any of these
    contrasts: tuple[str, ...]  # none of these more than that


class Retrieval:
    """Looks for open verbs; `notes` and `complete` tell what was not looked at."""

    def __init__(
        self,
        session: Session,
        how: OpenVerbs | None,
        window: Filters | None = None,
        *,
        weaker: bool = False,
    ) -> None:
        """`window`: camera and time of the question. `weaker`: looks for what was seen live, but
        was not likely enough to be told."""
        self._session, self._how, self._weaker = session, how, weaker
        self._bundles: list[str] | None = None
        self.looks = Looks(session, how, window or {})
        self.notes: dict[str, None] = {}  # in order, each once
        self.judgements: dict[tuple[str, str], Judgement] = {}  # by bundle and phrase
        self.by_chance: dict[uuid.UUID, float] = {}  # p-values of moments
        self.horizon: Horizon | None = None  # None: all that was asked about was looked at
        self._main = dict[str, tuple[Filters, Horizon | None]]()  # by bundle, of the first clause
        self.cuts = 0  # looks that left something out

    @property
    def complete(self) -> bool:
        return not self.cuts and self.looks.complete

    @property
    def slack(self) -> timedelta:
        """By how much a moment may have begun before its first sample, or ended after its last."""
        return timedelta() if self._how is None else _UNSURE * self._how.every

    def asked(self, clause: Clause) -> list[Asked]:
        """Which bundles are asked for which verbs.

        A phrase is asked of all that do not see it live, verbs that others were configured for of
        those that see none of them. Of a bundle that cannot be asked a note is made.
        """
        if self._how is None or not clause.does:
            return []
        if self._bundles is None:
            self._bundles = bundles_with_vectors(self._session)
        found = []
        for bundle in self._bundles:
            phrases = self._unseen(bundle, clause)
            silence = self._how.speaks.silence(bundle) if phrases else None
            if silence is not None:
                self.notes[silence] = None
            elif heard := self._heard(bundle, phrases):
                found.append(Asked(bundle, heard, self._heard(bundle, clause.contrasts)))
        return found

    def _heard(self, bundle: str, phrases: Sequence[str]) -> tuple[str, ...]:
        """A word that says nothing to the bundle would find whatever it likes to see."""
        assert self._how is not None
        sentences = self._how.sentences(bundle, phrases)
        deaf = [self._how.speaks.deaf(bundle, sentence) for sentence in sentences]
        self.notes |= dict.fromkeys(note for note in deaf if note is not None)
        return tuple(phrase for phrase, note in zip(phrases, deaf, strict=True) if note is None)

    def _unseen(self, bundle: str, clause: Clause) -> tuple[str, ...]:
        assert self._how is not None
        seen = self._how.speaks.verbs(bundle)
        if self._weaker:
            return tuple(verb for verb in clause.verbs if verb in seen and verb not in MOTION)
        phrases = [phrase for phrase in clause.phrases if phrase not in seen]
        if seen and seen.keys().isdisjoint(clause.verbs):
            phrases += [verb for verb in clause.verbs if verb not in MOTION]
        return tuple(dict.fromkeys(phrases))

    def moments(self, clause: Clause, filters: Filters) -> list[Interaction]:
        """All that are likely enough, each once, in the order of the filters."""
        found = [one for asked in self.asked(clause) for one in self._moments(asked, filters)]
        order = partial(order_of, upwards=filters.get("oldest_first", False))
        return sorted({one.id: one for one in found}.values(), key=order)

    def _moments(self, asked: Asked, filters: Filters) -> list[Interaction]:
        assert self._how is not None
        if self._weaker and self._too_many(asked.bundle, filters):
            return []
        filters = self._within(asked.bundle, filters)
        sentences = self._how.sentences(asked.bundle, (*asked.phrases, *asked.contrasts))
        prototypes = self._how.speaks.prototypes(asked.bundle, sentences)
        self._judge(asked, prototypes, filters)
        scores = score_vectors(
            self._session, asked.bundle, prototypes, filters, self._floors(asked)
        )
        found = []
        for column, phrase in enumerate(asked.phrases):
            windows = find_windows(
                scores.pair,
                scores.seconds,
                self._beliefs(scores, column, asked),
                self._how.smoothing(asked.bundle),
                every=self._how.every.total_seconds(),
                least=self._enter(asked.bundle, phrase),
            )
            if len(windows) > MOST_MOMENTS:
                self.cuts += 1
                windows = sorted(windows, key=lambda w: -w.score)[:MOST_MOMENTS]
            moments = told(self._session, scores, phrase, windows)
            self._note_chance(asked.bundle, phrase, moments)
            found += moments
        return found

    def _within(self, bundle: str, filters: Filters) -> Filters:
        """The time that is looked at, of a time with more vectors than anybody waits for."""
        main, horizon = self._main.get(bundle, (None, None))
        if filters != main:
            horizon = find_horizon(self._session, bundle, filters)
            self._main.setdefault(bundle, (filters, horizon))
        if horizon is None:
            return filters
        self.horizon = horizon.and_(self.horizon)
        self.cuts += 1
        return horizon.narrowed(filters)

    def _too_many(self, bundle: str, filters: Filters) -> bool:
        """Nobody waits for what is only shown beside the answer.

        Where the nearest by the index all pass, as they mostly do, nothing further is counted.
        """
        near = find_horizon(self._session, bundle, filters, most=_MOST_WEAK)
        if near is None:
            return False
        count = partial(count_vectors, self._session, bundle, most=_MOST_WEAK + 1)
        if count(near.narrowed(filters)) >= _MOST_WEAK:
            return True
        return count(self._within(bundle, filters)) > _MOST_WEAK

    def _enter(self, bundle: str, phrase: str) -> float:
        """Belief that opens a window: the caller's, else what chance reaches as often as was
        chosen, else, where that is not known, what opens one live."""
        assert self._how is not None
        if self._weaker:
            return _WEAK
        if self._how.least is not None:
            return self._how.least
        threshold = self._threshold(bundle, phrase)
        return self._how.smoothing(bundle).enter if threshold is None else float(expit(threshold))

    def _threshold(self, bundle: str, phrase: str) -> float | None:
        """Log-odds that chance reaches as often as was chosen; None: that is not known."""
        judgement = self.judgements.get((bundle, phrase))
        return None if judgement is None or judgement.chance is None else judgement.threshold

    def _judge(self, asked: Asked, prototypes: Floats, filters: Filters) -> None:
        """Against what these cameras have stored of such things, at whatever time."""
        assert self._how is not None
        missing = [p for p in asked.phrases if (asked.bundle, p) not in self.judgements]
        if self._weaker or self._how.per_day is None or not missing:
            return
        rows = prototypes[[asked.phrases.index(phrase) for phrase in missing]]
        known = nulls(self._session, self._how, asked.bundle, missing, rows, filters)
        for phrase, null in zip(missing, known, strict=True):
            judgement = judge(phrase, asked.bundle, null, per_day=self._how.per_day)
            self.judgements[asked.bundle, phrase] = judgement

    def expected(self, clause: Clause, filters: Filters) -> Expected | None:
        """By chance alone of a clause that was looked for; None: that is not known."""
        found = Expected()
        for asked in self.asked(clause):
            within = self._within(asked.bundle, filters)
            vectors = count_vectors(self._session, asked.bundle, within)
            for phrase in asked.phrases:
                judgement = self.judgements.get((asked.bundle, phrase))
                if judgement is None or judgement.chance is None:
                    return None
                found = found.plus(judgement, vectors)
        return found if found.moments else None

    def _note_chance(self, bundle: str, phrase: str, found: Sequence[Interaction]) -> None:
        judgement = self.judgements.get((bundle, phrase))
        if judgement is None or judgement.chance is None:
            return
        for one in found:
            self.by_chance[one.id] = judgement.chance.p_value(float(logit(one.peak_score)))

    def _floors(self, asked: Asked) -> Floats:
        """Logits (P,): a pair that never reaches its phrase's has no window."""
        assert self._how is not None
        smoothing = self._how.smoothing(asked.bundle)
        floors = np.zeros(len(asked.phrases))
        for column, phrase in enumerate(asked.phrases):
            scale, bias = self._how.speaks.calibration(asked.bundle, phrase)
            enter = logit(self._enter(asked.bundle, phrase))
            floors[column] = (least_evidence(enter, smoothing) - bias) / scale
        size = np.where(np.isinf(floors), 0.0, np.abs(floors))  # nothing may be likely enough
        return floors - 1e-3 * (1 + size)  # float32 rounds, wherever it is computed

    def _beliefs(self, scores: VectorScores, column: int, asked: Asked) -> Floats:
        """Smoothed log-odds (N,) of one verb; below what opens a moment where it does not exceed
        what it must not be."""
        assert self._how is not None
        bundle, phrase, count = asked.bundle, asked.phrases[column], len(asked.phrases)
        logits, others = scores.logits[:, column], scores.logits[:, count:]
        beliefs = self._how.believed(scores, self._how.evidence(bundle, phrase, logits))
        if others.shape[1] == 0:
            return beliefs
        more = logits - others.max(axis=1)
        exceeds = self._how.evidence(bundle, phrase, more, biased=False)
        least = self._threshold(bundle, phrase) or 0.0
        contrasted: Floats = np.minimum(beliefs, least + self._how.believed(scores, exceeds))
        return contrasted
