"""Verbs that nobody configured: how they become sentences, and who makes vectors of these.

A stored pair vector times a sentence's prototype is the logit that live scoring would have given.
Text towers belong to models, which this package does not know: they are handed in as a `Speaks`.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from math import inf
from typing import Protocol

import numpy as np
import numpy.typing as npt

from storage.interactions import PICK_UP, PUT_DOWN
from storage.question import AskError
from storage.smoothing import VerbSmoothing
from storage.vector_rows import Floats, VectorScores
from storage.windows import smoothed
from storage.words import gerund

_SENTENCE = "a photo of a person {} an object"
MOTION = frozenset((PICK_UP, PUT_DOWN))  # no still shows them


class Speaks(Protocol):
    """Text towers of model bundles, named by the hashes that stored vectors carry."""

    def silence(self, bundle: str) -> str | None:
        """Why it cannot be asked for verbs that it was not made for, in a line; None: it can."""

    def deaf(self, bundle: str, sentence: str) -> str | None:
        """Why a bundle without silence does not hear this, in a line; None: it does."""

    def verbs(self, bundle: str) -> Mapping[str, str]:
        """What it sees live, so that its events are stored, with its sentences; nothing of a
        bundle not installed."""

    def prototypes(self, bundle: str, sentences: Sequence[str]) -> Floats:
        """(n, D): pair vectors times these are logits. Only of a bundle without silence."""

    def plain(self, bundle: str, sentences: Sequence[str]) -> Floats:
        """(n, D) of length one: what tracks look like times these are cosines. Only of a bundle
        without silence."""

    def calibration(self, bundle: str, verb: str = "") -> tuple[float, float]:
        """Scale and bias that turn the logits of a verb that it sees live, else of any, into
        log-odds."""

    def smoothing(self, bundle: str) -> Mapping[str, float]:
        """What `VerbSmoothing` is made of, for verbs that join a run."""


@dataclass(frozen=True)
class OpenVerbs:
    """How verbs that nobody configured are looked for."""

    speaks: Speaks
    least: float | None = None  # belief that a moment reaches; None: what opens one live
    per_day: float | None = None  # false alarms; None: what the calibration says is believed
    every: timedelta = timedelta(seconds=5)  # between two samples of a pair, as the run stored them
    changed: Mapping[str, float] = field(default_factory=dict)  # of the smoothing, by settings

    def __post_init__(self) -> None:
        if self.per_day is not None and not (0 < self.per_day < inf):
            raise AskError(f"{self.per_day} false alarms a day: choose a number above nought")

    @classmethod
    def of(
        cls, speaks: Speaks, every_seconds: float | None, changed: Mapping[str, float]
    ) -> "OpenVerbs":
        """As the settings have samples (None: there are none) and the smoothing of any verb."""
        if every_seconds is None:
            return cls(speaks, changed=changed)
        return cls(speaks, every=timedelta(0, every_seconds), changed=changed)

    def sentences(self, bundle: str, phrases: Sequence[str]) -> list[str]:
        """What the bundle is told of a verb, or would be if it joined a run."""
        known = self.speaks.verbs(bundle)
        pattern = sentence_pattern(known)
        return [known.get(phrase) or pattern.format(gerund(phrase)) for phrase in phrases]

    def smoothing(self, bundle: str) -> VerbSmoothing:
        return VerbSmoothing(**{**self.speaks.smoothing(bundle), **self.changed})

    def evidence(self, bundle: str, phrase: str, logits: Floats, *, biased: bool = True) -> Floats:
        """Logits (N,) of a verb -> log-odds."""
        scale, bias = self.speaks.calibration(bundle, phrase)
        found: Floats = scale * logits + (bias if biased else 0.0)
        return found

    def believed(self, scores: VectorScores, evidence: Floats) -> npt.NDArray[np.float64]:
        """Log-odds (N,) at the rows of the scores -> smoothed ones."""
        smoothing, every = self.smoothing(scores.bundle), self.every.total_seconds()
        return smoothed(scores.pair, scores.seconds, evidence, smoothing, every)


def sentence_pattern(sentences: Mapping[str, str]) -> str:
    """How most sentences of a vocabulary are made, `{}` in place of the verb: the form that its
    scorer has been trained to hear."""
    patterns = Counter(
        sentence.replace(gerund(verb), "{}", 1)
        for verb, sentence in sentences.items()
        if gerund(verb) in sentence and "{" not in sentence
    )
    return max(patterns, key=lambda pattern: patterns[pattern], default=_SENTENCE)
