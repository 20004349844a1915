"""V-COCO's pairs in the UPT form: `instances_vcoco_{part}.json` over COCO's images of 2014.

Every action with an annotated object is a pair. Persons who act on nothing that is annotated are
not in these files; `models/datasets/vcoco_roles.py` reads the authors' own, which have them.
Images lie in `mscoco2014/train2014` and `val2014`, `images/...`, or beside the JSON.
"""

import json
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import model_validator

from models.coco import CLASSES
from models.datasets.annotations import Box, Index, Row, boxes, read_annotations
from models.datasets.examples import Pairs
from models.datasets.images import AnnotatedImages, first_folder
from models.vocabulary import FOLDER, Verb, Vocabulary

PARTS = {"train": "trainval", "test": "test"}

# V-COCO's action names -> ours, and whether it happens at a point in time.
ACTIONS = {
    "hold obj": ("hold", False),
    "sit instr": ("sit on", False),
    "ride instr": ("ride", False),
    "look obj": ("look at", False),
    "hit instr": ("hit with", True),
    "hit obj": ("hit", True),
    "eat obj": ("eat", False),
    "eat instr": ("eat with", False),
    "jump instr": ("jump on", True),
    "lay instr": ("lie on", False),
    "talk_on_phone instr": ("talk on phone", False),
    "carry obj": ("carry", False),
    "throw obj": ("throw", True),
    "catch obj": ("catch", True),
    "cut instr": ("cut with", False),
    "cut obj": ("cut", False),
    "work_on_computer instr": ("work on computer", False),
    "ski instr": ("ski", False),
    "surf instr": ("surf", False),
    "skateboard instr": ("skateboard", False),
    "drink instr": ("drink with", False),
    "kick obj": ("kick", True),
    "read obj": ("read", False),
    "snowboard instr": ("snowboard", False),
}


class VcocoImage(Row):
    """One image: N pairs; actions are counted from 0, objects from 1; 0: done with nothing."""

    file_name: str
    boxes_h: list[Box]
    boxes_o: list[Box]
    actions: list[Index]
    objects: list[Index]

    @model_validator(mode="after")
    def _sound(self) -> Self:
        counts = [len(column) for column in (self.boxes_h, self.boxes_o, self.actions)]
        if set(counts) != {len(self.objects)}:
            raise ValueError("boxes_h, boxes_o, actions and objects differ in length")
        if any(action >= len(ACTIONS) for action in self.actions):
            raise ValueError("actions are numbers from 0 to 23")
        if any(number > len(CLASSES) for number in self.objects):
            raise ValueError("objects are numbers from 0 to 80")
        return self


class _File(Row):
    annotations: list[VcocoImage]


def open_vcoco(folder: Path, split: str) -> AnnotatedImages:
    """Images with pairs, in the file's order; `train` is V-COCO's trainval."""
    rows = read_vcoco(folder, PARTS[split])
    kept = [row for row in rows if any(row.objects)]
    images = first_folder([folder / place for place in ("mscoco2014", "images", ".")])
    return AnnotatedImages(
        vcoco_vocabulary(),
        [row.file_name for row in kept],
        [images / _year(row.file_name) / row.file_name for row in kept],
        [_pairs(row) for row in kept],
        frozenset(row.file_name for row in rows if not any(row.objects)),
    )


def read_vcoco(folder: Path, part: str) -> list[VcocoImage]:
    """All images of `instances_vcoco_{part}.json`, those without pairs too."""
    return read_annotations(folder / f"instances_vcoco_{part}.json", _File).annotations


def vcoco_vocabulary() -> Vocabulary:
    """V-COCO's 24 actions under our names, over the 80 COCO classes."""
    facts = json.loads((FOLDER / "vcoco.json").read_text())
    verbs = tuple(
        Verb(ACTIONS[action][0], sentence, ACTIONS[action][1])
        for action, sentence in zip(facts["actions"], facts["action_prompts"], strict=True)
    )
    allowed = tuple(tuple(row) for row in facts["object0based_to_actions"])
    return Vocabulary("vcoco", verbs, tuple(facts["objects"][1:]), allowed)


def _pairs(row: VcocoImage) -> Pairs:
    objects = np.array(row.objects, np.int64)
    kept = objects > 0
    return Pairs(
        boxes(row.boxes_h)[kept],
        boxes(row.boxes_o)[kept],
        objects[kept] - 1,
        np.array(row.actions, np.int64)[kept],
    )


def _year(name: str) -> str:
    """The folder of `COCO_val2014_000000000294.jpg` is `val2014`."""
    parts = name.split("_")
    return parts[1] if len(parts) == 3 else "."
