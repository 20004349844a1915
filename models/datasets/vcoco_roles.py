"""V-COCO as its authors give it: every person, what they do, and the box of each role.

`vcoco_{part}.json` (s-gupta/v-coco, `data/vcoco/`) names COCO annotations, which lie in
`instances_vcoco_all_2014.json`, made by the authors' script from COCO's. Where these are not in the
folder, persons and roles are put together from the pairs of `instances_vcoco_{part}.json`: persons
without an annotated object are then unknown, and what is detected on them counts as wrong.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import numpy.typing as npt
from pydantic import model_validator

from models.datasets.annotations import Box, Row, read_annotations
from models.datasets.examples import Floats, Ints
from models.datasets.vcoco import ACTIONS, PARTS, VcocoImage, read_vcoco
from models.errors import ModelError
from models.pairs import PERSON

ROLES = tuple(ACTIONS)  # "hit instr": an action and the role of its object
_VERBS = tuple(role.split(" ")[0] for role in ROLES)
_INSTANCES = "instances_vcoco_all_2014.json"
_PLACES = (".", "data", "data/vcoco")


@dataclass(frozen=True, eq=False)
class RoleTruth:
    """H persons of all images; boxes are xyxy and include their last pixel."""

    keys: tuple[str, ...]  # image files
    image: Ints  # (H,) index in keys, rising
    persons: Floats  # (H, 4)
    ignored: npt.NDArray[np.bool_]  # (H,) nobody said what this person does
    does: npt.NDArray[np.bool_]  # (H, 24)
    objects: Floats  # (H, 24, 4), NaN: done with nothing that is annotated
    source: Literal["authors", "pairs"]


class _Image(Row):
    id: int
    file_name: str
    width: int
    height: int


class _Instance(Row):
    id: int
    image_id: int
    category_id: int
    bbox: Box
    area: float
    ignore: int = 0


class _Category(Row):
    id: int
    name: str


class _Instances(Row):
    images: list[_Image]
    annotations: list[_Instance]
    categories: list[_Category]


class _Action(Row):
    """One action: N persons; `role_object_id` lists all first roles, then all second ones."""

    action_name: str
    role_name: list[str]
    image_id: list[int]
    ann_id: list[int]
    label: list[int]
    role_object_id: list[int]

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        count = len(self.ann_id)
        if {len(self.image_id), len(self.label)} != {count}:
            raise ValueError("image_id, ann_id and label differ in length")
        if len(self.role_object_id) != count * len(self.role_name):
            raise ValueError("role_object_id is not as long as ann_id times role_name")
        return self


def read_roles(folder: Path, split: str) -> RoleTruth:
    """The authors' files where they are, else what the pairs tell."""
    part = PARTS[split]
    actions, instances = _find(folder, f"vcoco_{part}.json"), _find(folder, _INSTANCES)
    if actions is None or instances is None:
        return _from_pairs(read_vcoco(folder, part))
    return _from_authors(actions, instances)


def _find(folder: Path, name: str) -> Path | None:
    return next((p for place in _PLACES if (p := folder / place / name).is_file()), None)


class _Persons:
    """Collects the rows of a `RoleTruth`."""

    def __init__(self) -> None:
        self.image: list[int] = []
        self.boxes: list[Box] = []
        self.ignored: list[bool] = []
        self.does: list[npt.NDArray[np.bool_]] = []
        self.objects: list[Floats] = []

    def add(self, image: int, box: Box, *, ignored: bool = False) -> int:
        self.image.append(image)
        self.boxes.append(box)
        self.ignored.append(ignored)
        self.does.append(np.zeros(len(ROLES), bool))
        self.objects.append(np.full((len(ROLES), 4), np.nan, np.float32))
        return len(self.boxes) - 1

    def truth(self, keys: Iterable[str], source: Literal["authors", "pairs"]) -> RoleTruth:
        return RoleTruth(
            tuple(keys),
            np.array(self.image, np.int64),
            np.array(self.boxes, np.float32).reshape(-1, 4),
            np.array(self.ignored, bool),
            np.array(self.does, bool).reshape(-1, len(ROLES)),
            np.array(self.objects, np.float32).reshape(-1, len(ROLES), 4),
            source,
        )


def _from_pairs(rows: list[VcocoImage]) -> RoleTruth:
    """Persons are told apart by their boxes; an action with one of its roles is done for both."""
    persons = _Persons()
    kept = [row for row in rows if row.actions]
    for number, row in enumerate(kept):
        known: dict[Box, int] = {}
        for box, thing, action, class_ in zip(
            row.boxes_h, row.boxes_o, row.actions, row.objects, strict=True
        ):
            if box not in known:
                known[box] = persons.add(number, _last_pixel(box))
            person = known[box]
            persons.does[person] |= np.array([verb == _VERBS[action] for verb in _VERBS])
            if class_:
                persons.objects[person][action] = _last_pixel(thing)
    return persons.truth((row.file_name for row in kept), "pairs")


def _from_authors(actions_path: Path, instances_path: Path) -> RoleTruth:
    actions = read_annotations(actions_path, list[_Action])
    coco = read_annotations(instances_path, _Instances)
    images = {image.id: image for image in coco.images}
    wanted = sorted({image for action in actions for image in action.image_id})
    for number in wanted:
        if number not in images:
            raise ModelError(f"{instances_path}: image {number} of {actions_path.name} is missing")
    number_of = {image: number for number, image in enumerate(wanted)}
    told = {person for action in actions for person in action.ann_id}
    person_class = next((row.id for row in coco.categories if row.name == PERSON), None)
    boxes: dict[int, Box] = {}
    persons, row_of = _Persons(), dict[int, int]()
    for instance in sorted(coco.annotations, key=lambda one: number_of.get(one.image_id, -1)):
        if instance.image_id not in number_of:
            continue
        box = _clean(instance, images[instance.image_id])
        if box is None:
            continue
        boxes[instance.id] = box
        if instance.category_id == person_class:
            row_of[instance.id] = persons.add(
                number_of[instance.image_id], box, ignored=instance.id not in told
            )
    for action in actions:
        _mark(persons, action, row_of, boxes)
    return persons.truth((images[number].file_name for number in wanted), "authors")


def _mark(
    persons: _Persons, action: _Action, row_of: dict[int, int], boxes: dict[int, Box]
) -> None:
    count = len(action.ann_id)
    for place, role in enumerate(action.role_name):
        name = f"{action.action_name} {role}"
        if name not in ROLES:
            continue  # the agent itself, and "point instr", which nobody counts
        column = ROLES.index(name)
        for index in range(count):
            row = row_of.get(action.ann_id[index])
            if row is None or action.label[index] != 1:
                continue
            persons.does[row][column] = True
            thing = boxes.get(action.role_object_id[place * count + index])
            if thing is not None:
                persons.objects[row][column] = thing


def _clean(instance: _Instance, image: _Image) -> Box | None:
    """The box with its last pixel, inside the image; None: the authors leave it out."""
    x, y, width, height = instance.bbox
    right, bottom = x + max(0.0, width - 1), y + max(0.0, height - 1)
    x, right = (min(image.width - 1.0, max(0.0, value)) for value in (x, right))
    y, bottom = (min(image.height - 1.0, max(0.0, value)) for value in (y, bottom))
    if instance.ignore == 1 or instance.area <= 0 or right <= x or bottom <= y:
        return None
    return x, y, right, bottom


def _last_pixel(box: Box) -> Box:
    """Of x, y and their far edge."""
    x, y, right, bottom = box
    return x, y, max(x, right - 1), max(y, bottom - 1)
