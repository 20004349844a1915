"""The verbs of standing questions join what a run scores, as far as its bundle can hear them."""

from collections.abc import Collection

from models.scorer import PairScorer
from models.vocabulary import Verb, Vocabulary
from storage.speech import sentence_pattern
from storage.words import gerund


class Listening:
    """Called with all verbs that are asked for; returns those that no event will be made of."""

    def __init__(
        self,
        scorer: PairScorer,
        vocabulary: Vocabulary,
        *,
        told_anyway: Collection[str] = (),
        silent: Collection[str] = (),
    ) -> None:
        """`told_anyway`: verbs that need no score; `silent`: those that the bundle keeps quiet."""
        self._scorer, self._vocabulary = scorer, vocabulary
        self._told_anyway, self._silent = frozenset(told_anyway), frozenset(silent)

    def __call__(self, verbs: Collection[str]) -> frozenset[str]:
        wanted = sorted(set(verbs) - self._told_anyway - set(self._vocabulary.verb_names))
        pattern = sentence_pattern({one.name: one.sentence for one in self._vocabulary.verbs})
        deaf = self._scorer.listen([Verb(name, pattern.format(gerund(name))) for name in wanted])
        return frozenset(deaf) | (frozenset(verbs) & self._silent - self._told_anyway)
