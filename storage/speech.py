"""Verbs that nobody configured: how they become sentences, and who makes vectors of these.

A stored pair vector times a sentence's prototype is the logit that live scoring would have given.
Text towers belong to models, which this package does not know: they are handed in as a `Speaks`.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from storage.vector_rows import Floats, VectorScores
from storage.words import gerund

MOTION = frozenset(("pick up", "put down"))  # found by how things move: no still shows them


class Speaks(Protocol):
    """Text towers of model bundles, named by the hashes that stored vectors carry."""

    def silence(self, bundle: str) -> str | None:
        """Why it cannot be asked for verbs that it was not made for, in a line; None: it can."""

    def verbs(self, bundle: str) -> Collection[str]:
        """What it sees live, so that its events are stored; nothing of a bundle not installed."""

    def prototypes(self, bundle: str, sentences: Sequence[str]) -> Floats:
        """(n, D): pair vectors times these are logits. Only of a bundle without silence."""

    def calibration(self, bundle: str) -> tuple[float, float]:
        """Scale and bias that turn the logits of any verb into log-odds."""


# Log-odds (N,) that what was asked for, the verb of a column of the logits, is to be seen.
Calibrate = Callable[[VectorScores, int], Floats]


@dataclass(frozen=True)
class OpenVerbs:
    """How verbs that nobody configured are looked for."""

    speaks: Speaks
    calibrate: Calibrate | None = None  # None: the bundle's own scale and bias
    least: float = 0.5  # probability from which on it is told
    per_day: float | None = None  # false alarms; None: what the calibration says is believed
    every: timedelta = timedelta(seconds=5)  # between two samples of a pair, as the run stored them

    @classmethod
    def of(cls, speaks: Speaks, every_seconds: float | None) -> "OpenVerbs":
        """As the settings have the samples; None: there are none."""
        return (
            cls(speaks) if every_seconds is None else cls(speaks, every=timedelta(0, every_seconds))
        )


def sentence_of(phrase: str) -> str:
    """ "lean on" -> "a photo of a person leaning on an object", as vocabularies say it."""
    return f"a photo of a person {gerund(phrase)} an object"
