"""Sentences to verb prototypes with the text tower of any installed bundle, by the bundle's hash.

What live scoring would have compared its pair vectors with, had the verb been in its vocabulary.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial

import numpy as np
import numpy.typing as npt

from models.bundle import (
    Bundle,
    CMMPSection,
    choose_bundle,
    describe_bundle,
    find_bundles,
    typical_calibration,
)
from models.errors import ModelError

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

_TOWERS, _SENTENCES = 2, 10_000  # kept: a tower of a large CLIP has 500 MB


@dataclass(frozen=True)
class Words:
    """What a bundle names: verbs, and classes of things."""

    verbs: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()

    @classmethod
    def of(cls, bundle: str, *, detector_given: bool) -> "Words":
        """Of the one that a run would take; none if it is not installed."""
        try:
            found = describe_bundle(choose_bundle(bundle, detector_given=detector_given))
        except ModelError as error:
            logger.debug("not looked at: %s", error)
            return cls()
        return cls(tuple(found.vocabulary.verb_names), tuple(found.vocabulary.objects))


@dataclass(frozen=True)
class _Tower:
    """One bundle's, with its learned context."""

    encode: Callable[[Sequence[str]], Floats]  # n sentences -> (n, D)
    plain: Callable[[Sequence[str]], Floats]  # as CLIP hears them, without the learned context
    unheard: Callable[[str], str]  # a sentence -> words in it that the tower was never taught


class BundleSpeech:
    """The text towers of installed bundles; each is loaded when it is first asked for something."""

    def __init__(self, *named: str) -> None:
        """`named`: bundles beside the installed ones, by name or folder."""
        self._named = named
        self._bundles: dict[str, Bundle] = {}
        self._tower = lru_cache(_TOWERS)(self._load)
        self._prototype = lru_cache(_SENTENCES)(self._encode)
        self._unheard = lru_cache(_SENTENCES)(
            lambda bundle, said: self._tower(bundle).unheard(said)
        )

    def silence(self, bundle: str) -> str | None:
        """Why it cannot be asked for verbs that it was not made for, in a line; None: it can."""
        found = self._find(bundle)
        if found is None:
            return f"bundle {bundle} is not installed: its vectors cannot be asked"
        section = found.manifest.scorer
        if not isinstance(section, CMMPSection):
            return f"bundle {found.name} hears no text: it cannot be asked for other verbs"
        if section.sizes.get("free_prototypes"):
            return f"the verbs of bundle {found.name} are no texts: it cannot be asked for others"
        return None

    def deaf(self, bundle: str, sentence: str) -> str | None:
        """Why a bundle without silence does not hear this, in a line; None: it does."""
        words, found = self._unheard(bundle, sentence), self._find(bundle)
        name = bundle if found is None else found.name
        return f"bundle {name} was never taught the word {words!r}" if words else None

    def verbs(self, bundle: str) -> Mapping[str, str]:
        """What it sees live, so that its events are stored, with its sentences; nothing of a
        bundle not installed."""
        found = self._find(bundle)
        verbs = () if found is None else found.vocabulary.verbs
        return {verb.name: verb.sentence for verb in verbs}

    def prototypes(self, bundle: str, sentences: Sequence[str]) -> Floats:
        """(n, D): pair vectors times these are logits. Only of a bundle without silence."""
        return np.stack([self._prototype(bundle, sentence) for sentence in sentences])

    def plain(self, bundle: str, sentences: Sequence[str]) -> Floats:
        """(n, D) of length one: looks (`models.looks`) times these are cosines. Only of a bundle
        without silence."""
        found = self._tower(bundle).plain(sentences)
        length: Floats = np.linalg.norm(found, axis=1, keepdims=True)
        return found / length

    def calibration(self, bundle: str, verb: str = "") -> tuple[float, float]:
        """Scale and bias that turn logits into log-odds: the verb's own, else as of one that
        joins."""
        found = self._find(bundle)
        known = {} if found is None else found.manifest.calibration
        chosen = known.get(verb) or typical_calibration(known)
        return chosen.scale, chosen.bias

    def smoothing(self, bundle: str) -> Mapping[str, float]:
        """Of verbs that join a run; empty for a bundle not installed."""
        found = self._find(bundle)
        default: Mapping[str, float] = {} if found is None else found.smoothing.get("default", {})
        return default

    def _find(self, bundle: str) -> Bundle | None:
        """Looked up anew while it is not there: bundles are installed while a dashboard runs."""
        if bundle not in self._bundles:
            for name in (*self._named, *find_bundles()):
                try:
                    described = describe_bundle(name)
                except ModelError as error:
                    logger.debug("not looked at: %s", error)
                else:
                    self._bundles[described.hash] = described
        return self._bundles.get(bundle)

    def _encode(self, bundle: str, sentence: str) -> Floats:
        vector: Floats = self._tower(bundle).encode([sentence])[0]
        return vector

    def _load(self, bundle: str) -> _Tower:
        found = self._find(bundle)
        section = None if found is None else found.manifest.scorer
        if found is None or not isinstance(section, CMMPSection):
            raise ModelError(self.silence(bundle) or bundle)
        found.verify(*section.files)
        import torch  # with open_clip two seconds, which questions without new verbs need not wait

        from models.cmmp.prompts import tokenizer
        from models.cmmp.weights import load_prompts
        from models.text import TextEncoder

        tower, prompts = load_prompts(section, found.folder)

        @torch.inference_mode()
        def encode(sentences: Sequence[str]) -> Floats:
            vectors: Floats = prompts(tower, sentences).float().numpy()
            return vectors

        plain = TextEncoder(tower, tokenizer()).encode
        return _Tower(encode, plain, partial(prompts.unheard, tower))
