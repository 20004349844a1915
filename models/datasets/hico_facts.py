"""What is fixed about HICO-DET: its 600 interactions, its vocabulary, its zero-shot settings."""

import json
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np

from models.datasets.examples import Ints
from models.errors import ModelError
from models.vocabulary import FOLDER, Verb, Vocabulary

INTERACTIONS = 600
DEFAULT = "default"  # the setting in which nothing is unseen


@cache
def hico_vocabulary() -> Vocabulary:
    """117 verbs and 80 objects in COCO's order; a class allows the verbs of its interactions."""
    facts = _facts()
    pattern, exceptions = facts["verb_prompt_pattern"], facts["verb_prompt_exceptions"]
    gerunds = facts["verb_gerunds_as_spelled_in_prompts"]
    verbs = tuple(
        Verb(name, exceptions.get(str(v), pattern.format(gerund=gerund)))
        for v, (name, gerund) in enumerate(zip(facts["verbs"], gerunds, strict=True))
    )
    allowed = tuple(tuple(row) for row in facts["object_to_verbs"])
    return Vocabulary("hico", verbs, tuple(facts["objects"]), allowed)


@cache
def interaction_pairs() -> Ints:
    """(600, 2): verb and object of every interaction, in HICO's own order."""
    return np.array(_facts()["hoi_verb_object_pairs"], np.int64)


@cache
def interaction_table() -> Ints:
    """(80, 117): the interaction of an object and a verb, -1 where HICO has none."""
    verbs, objects = interaction_pairs().T
    table = np.full((len(_facts()["objects"]), len(_facts()["verbs"])), -1, np.int64)
    table[objects, verbs] = np.arange(INTERACTIONS)
    return table


def interaction_names() -> tuple[str, ...]:
    return tuple(_facts()["hoi_names"])


def settings() -> tuple[str, ...]:
    """`default`, `rare_first`, `non_rare_first`, `unseen_object`, `unseen_verb`, `uc0` to `uc4`."""
    return tuple(_splits()["settings"])


def unseen_interactions(setting: str) -> Ints:
    """Which of the 600 training must not see."""
    try:
        return np.array(_splits()["settings"][setting]["unseen_hoi_ids"], np.int64)
    except KeyError:
        known = ", ".join(settings())
        raise ModelError(f"HICO-DET has no setting {setting!r}: {known}") from None


def seen_vocabulary(setting: str) -> Vocabulary:
    """The vocabulary whose classes allow the verbs of seen interactions alone.

    So that in training an unseen one is no candidate, neither right nor wrong.
    """
    whole, table = hico_vocabulary(), interaction_table()
    unseen = set(unseen_interactions(setting).tolist())
    allowed = tuple(
        tuple(verb for verb in verbs if int(table[thing, verb]) not in unseen)
        for thing, verbs in enumerate(whole.allowed)
    )
    return replace(whole, allowed=allowed)


def rare_interactions() -> Ints:
    """The 138 with fewer than ten annotated pairs in train2015."""
    return np.array(_splits()["rare_hoi_ids"], np.int64)


@cache
def _facts() -> dict[str, Any]:
    facts: dict[str, Any] = json.loads((FOLDER / "hico.json").read_text())
    return facts


@cache
def _splits() -> dict[str, Any]:
    splits: dict[str, Any] = json.loads((FOLDER / "hico_splits.json").read_text())
    return splits
