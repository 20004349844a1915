"""HICO-DET as UPT and its successors keep it: two JSON files beside the folder of images.

    instances_train2015.json  instances_test2015.json
    hico_20160224_det/images/train2015/*.jpg  .../test2015/*.jpg    (or images/*2015/, *2015/)

Each JSON holds, for every image, `boxes_h`, `boxes_o` (xyxy), `hoi`, `object` and `verb` of its
pairs under `annotation`; `filenames` and `empty` (images without pairs) go beside it, and `objects`
and `verbs` name the ids. Older files count objects in HICO's alphabetical order, newer ones in
COCO's; interactions are counted alike in both, so they decide, and the names must agree with them.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
from pydantic import AliasChoices, Field, model_validator

from models.datasets.annotations import Box, Index, Row, boxes, read_annotations
from models.datasets.examples import Ints, Pairs
from models.datasets.hico_facts import (
    DEFAULT,
    INTERACTIONS,
    hico_vocabulary,
    interaction_names,
    interaction_pairs,
    seen_vocabulary,
    unseen_interactions,
)
from models.datasets.images import AnnotatedImages, first_folder
from models.errors import ModelError

PARTS = {"train": "train2015", "test": "test2015"}


class _Picture(Row):
    boxes_h: list[Box]
    boxes_o: list[Box]
    hoi: list[Index]
    object: list[Index]
    verb: list[Index]

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        lengths = {name: len(getattr(self, name)) for name in type(self).model_fields}
        if len(set(lengths.values())) > 1:
            raise ValueError(", ".join(f"{count} {name}" for name, count in lengths.items()))
        return self


class _File(Row):
    pictures: list[_Picture] = Field(validation_alias=AliasChoices("annotation", "annotations"))
    filenames: list[str]
    objects: list[str]
    verbs: list[str]

    @model_validator(mode="after")
    def _equally_long(self) -> Self:
        if len(self.pictures) != len(self.filenames):
            raise ValueError(f"{len(self.pictures)} annotations of {len(self.filenames)} filenames")
        return self


def open_hicodet(folder: Path, split: str, setting: str = DEFAULT) -> AnnotatedImages:
    """Images with pairs, in the file's order; those of `setting` are left out of training.

    In a zero-shot setting the training split loses the pairs of unseen interactions, the images of
    which nothing is left, and the verbs of unseen interactions in `vocabulary.allowed`; the test
    split is always whole. Boxes are coordinates: HICO counts pixels from 1 and includes the last
    one, so 1 is taken from x1 and y1, as the published numbers are made.
    """
    part = PARTS[split]
    path = folder / f"instances_{part}.json"
    file = read_annotations(path, _File)
    _check(path, file)
    hidden = unseen_interactions(setting if split == "train" else DEFAULT)
    kept = [_pairs(picture, hidden) for picture in file.pictures]
    rows = [i for i, pairs in enumerate(kept) if len(pairs.verbs)]
    images = first_folder([folder / place / part for place in _PLACES])
    return AnnotatedImages(
        seen_vocabulary(setting) if split == "train" else hico_vocabulary(),
        [file.filenames[i] for i in rows],
        [images / file.filenames[i] for i in rows],
        [kept[i] for i in rows],
        frozenset(
            name
            for name, picture in zip(file.filenames, file.pictures, strict=True)
            if not picture.hoi
        ),
    )


_PLACES = ("hico_20160224_det/images", "images", ".")


def _pairs(picture: _Picture, hidden: Ints) -> Pairs:
    hoi = np.array(picture.hoi, np.int64)
    kept = ~np.isin(hoi, hidden)
    first_pixel = np.array([1, 1, 0, 0], np.float32)
    verbs, objects = interaction_pairs()[hoi[kept]].T
    return Pairs(
        boxes(picture.boxes_h)[kept] - first_pixel,
        boxes(picture.boxes_o)[kept] - first_pixel,
        objects,
        verbs,
    )


def _check(path: Path, file: _File) -> None:
    """Every pair's object and verb are those of its interaction, by the file's own names."""
    words = hico_vocabulary()
    columns = {
        "object": (_plain(file.objects), words.objects, interaction_pairs()[:, 1]),
        "verb": (_plain(file.verbs), words.verb_names, interaction_pairs()[:, 0]),
    }
    for row, picture in enumerate(file.pictures):
        for column, hoi in enumerate(picture.hoi):
            if hoi >= INTERACTIONS:
                raise ModelError(f"{path}: annotation[{row}].hoi[{column}]: {hoi}, there are 600")
            for kind, (theirs, ours, right) in columns.items():
                number = getattr(picture, kind)[column]
                name = theirs[number] if number < len(theirs) else f"number {number}"
                if name != ours[right[hoi]]:
                    raise ModelError(
                        f"{path}: annotation[{row}].{kind}[{column}]: {name}, "
                        f"but interaction {hoi} is {interaction_names()[hoi]!r}"
                    )


def _plain(names: Sequence[str]) -> list[str]:
    return [name.replace("_", " ") for name in names]
