"""Verbs and objects a bundle speaks of: their names, sentences, and which belong together."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from models.errors import ModelError

FOLDER = Path(__file__).parent / "vocabularies"


@dataclass(frozen=True)
class Verb:
    """What a person may do with a thing."""

    name: str  # "pick up", as people say it
    sentence: str  # the text an encoder sees
    moment: bool = False  # a point in time (kick, throw), not a state (hold, sit on)


@dataclass(frozen=True)
class Vocabulary:
    """V verbs, O object classes, and the table of which verb a class allows."""

    name: str
    verbs: tuple[Verb, ...]
    objects: tuple[str, ...]
    allowed: tuple[tuple[int, ...], ...]  # per object class: verb indices

    @cached_property
    def verb_names(self) -> tuple[str, ...]:
        return tuple(verb.name for verb in self.verbs)

    @cached_property
    def validity(self) -> npt.NDArray[np.bool_]:
        """(O, V): may this verb be done with this class?"""
        table = np.zeros((len(self.objects), len(self.verbs)), bool)
        for row, verbs in enumerate(self.allowed):
            table[row, list(verbs)] = True
        return table

    def to_dict(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "verbs": [
                {"name": v.name, "sentence": v.sentence, "moment": v.moment} for v in self.verbs
            ],
            "objects": list(self.objects),
            "allowed": [list(row) for row in self.allowed],
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Vocabulary":
        try:
            return cls(
                name=row["name"],
                verbs=tuple(Verb(**verb) for verb in row["verbs"]),
                objects=tuple(row["objects"]),
                allowed=tuple(tuple(verbs) for verbs in row["allowed"]),
            )
        except (KeyError, TypeError) as error:
            raise ModelError(f"vocabulary is not complete: {error}") from error


def load_vocabulary(path: Path) -> Vocabulary:
    """Read a vocabulary from its JSON file."""
    return Vocabulary.from_dict(json.loads(path.read_text()))
