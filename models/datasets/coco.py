"""A COCO-style file of one's own: `train.json` and `test.json` beside the folder `images`.

`images`, `annotations` (bbox: x, y, width, height) and `categories` are COCO's; one category is
called `person`. Two keys say who does what:

    "verbs":        [{"id": 1, "name": "feed", "sentence": "a photo of a person feeding an animal",
                      "moment": false, "categories": [17, 18]}]
    "interactions": [{"subject": 7, "object": 9, "verb": 1}]

`subject` and `object` are ids of annotations of one image. `sentence` (what a text encoder hears;
made from the name if left out), `moment` (happens at a point in time) and `categories` (what it may
be done with; anything, if left out) are optional. Both splits must list the same verbs and
categories, in any order: ids give the order of the vocabulary.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from models.datasets.annotations import Box, Row, boxes, read_annotations
from models.datasets.examples import Pairs
from models.datasets.images import AnnotatedImages
from models.errors import ModelError
from models.pairs import PERSON
from models.vocabulary import Verb, Vocabulary


class _Category(Row):
    id: int
    name: str


class _Image(Row):
    id: int
    file_name: str


class _Instance(Row):
    id: int
    image_id: int
    category_id: int
    bbox: Box

    def xyxy(self) -> Box:
        x, y, width, height = self.bbox
        return x, y, x + width, y + height


class _Verb(Row):
    id: int
    name: str
    sentence: str | None = None
    moment: bool = False
    categories: list[int] | None = None


class _Interaction(Row):
    subject: int
    object: int
    verb: int


Numbered = TypeVar("Numbered", _Category, _Verb)


class _File(Row):
    categories: list[_Category]
    images: list[_Image]
    annotations: list[_Instance]
    verbs: list[_Verb]
    interactions: list[_Interaction]


def open_coco(folder: Path, split: str) -> AnnotatedImages:
    """Images with interactions, in the file's order."""
    path = folder / f"{split}.json"
    file = read_annotations(path, _File)
    category = {row.id: i for i, row in enumerate(_by_id(file.categories))}
    verb = {row.id: i for i, row in enumerate(_by_id(file.verbs))}
    instance = {row.id: row for row in file.annotations}
    done: dict[int, list[_Interaction]] = {row.id: [] for row in file.images}
    person = _person(path, file)
    for place, row in enumerate(file.interactions):
        where = f"{path}: interactions[{place}]"
        _known(f"{where}.verb", row.verb, verb)
        _known(f"{where}.subject", row.subject, instance)
        _known(f"{where}.object", row.object, instance)
        subject, thing = instance[row.subject], instance[row.object]
        _known(f"{where}.object: annotation {thing.id}: image", thing.image_id, done)
        _known(f"{where}.object: annotation {thing.id}: category", thing.category_id, category)
        if subject.image_id != thing.image_id:
            raise ModelError(f"{where}: subject and object are of different images")
        if subject.category_id != person:
            raise ModelError(f"{where}.subject: annotation {subject.id} is no person")
        done[thing.image_id].append(row)
    kept = [row for row in file.images if done[row.id]]
    return AnnotatedImages(
        _vocabulary(path, file, category),
        [row.file_name for row in kept],
        [folder / "images" / row.file_name for row in kept],
        [_pairs(done[row.id], instance, category, verb) for row in kept],
        frozenset(row.file_name for row in file.images if not done[row.id]),
    )


def _vocabulary(path: Path, file: _File, category: Mapping[int, int]) -> Vocabulary:
    allowed: list[list[int]] = [[] for _ in category]
    for number, row in enumerate(_by_id(file.verbs)):
        for name in category if row.categories is None else row.categories:
            _known(f"{path}: verbs: {row.name}: category", name, category)
            allowed[category[name]].append(number)
    verbs = tuple(
        Verb(row.name, row.sentence or f"a photo of a person, {row.name}", row.moment)
        for row in _by_id(file.verbs)
    )
    objects = tuple(row.name for row in _by_id(file.categories))
    return Vocabulary(path.parent.name, verbs, objects, tuple(tuple(row) for row in allowed))


def _pairs(
    rows: list[_Interaction],
    instance: Mapping[int, _Instance],
    category: Mapping[int, int],
    verb: Mapping[int, int],
) -> Pairs:
    return Pairs(
        boxes(instance[row.subject].xyxy() for row in rows),
        boxes(instance[row.object].xyxy() for row in rows),
        np.array([category[instance[row.object].category_id] for row in rows], np.int64),
        np.array([verb[row.verb] for row in rows], np.int64),
    )


def _person(path: Path, file: _File) -> int:
    for row in file.categories:
        if row.name == PERSON:
            return row.id
    raise ModelError(f"{path}: categories: none is called {PERSON!r}")


def _known(where: str, number: int, table: Mapping[int, object]) -> None:
    if number not in table:
        raise ModelError(f"{where}: there is no {number}")


def _by_id(rows: list[Numbered]) -> list[Numbered]:
    return sorted(rows, key=lambda row: row.id)
