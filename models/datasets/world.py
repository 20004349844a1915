"""Frames of the procedural world as `render_frames` left them: a file a clip, named by its seed."""

import logging
import zipfile
from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from models.datasets.examples import Floats, Image, Pairs
from models.errors import ModelError
from models.training.world_frames import (
    HELD_OUT,
    RENDERED_TO_INPUT,
    decode,
    read_jpegs,
    read_truths,
)
from models.vocabulary import Verb, Vocabulary
from models.world.truth import (
    ACTS,
    CLASSES,
    MOMENT_VERBS,
    PICK_UP,
    UNSEEN,
    UNSEEN_VERBS,
    VERBS,
    FrameTruth,
)

Part = TypeVar("Part")  # of a clip

logger = logging.getLogger(__name__)

HIDDEN = 0.75  # occluded more than this: no detector finds it
# What a training of each setting is not told: (verb, class).
SETTINGS: dict[str, frozenset[tuple[str, str]]] = {
    "default": frozenset(),
    "unseen_pairs": UNSEEN,
    "unseen_verbs": frozenset((verb, thing) for verb in UNSEEN_VERBS for thing in ACTS[verb]),
}


class WorldFrames:
    """An `HOIDataset` of the frames in which somebody does something; keys are `seed:frame`."""

    def __init__(self, clips: Sequence[Path], setting: str) -> None:
        hidden = SETTINGS[setting]
        self.vocabulary = world_vocabulary(hidden)
        self._places: list[tuple[Path, int]] = []
        self._pairs: list[Pairs] = []
        self._visible: list[tuple[Floats, list[str]]] = []
        for path in clips:
            try:
                truths = _read(path, read_truths)
            except ModelError as error:
                logger.warning("%s; skipped", error)
                continue
            for row, truth in enumerate(truths):
                pairs = _pairs(truth, hidden)
                if len(pairs.verbs):
                    self._places.append((path, row))
                    self._pairs.append(pairs)
                    self._visible.append(_seen(truth))
        self.keys: Sequence[str] = [f"{path.stem}:{row}" for path, row in self._places]

    def pairs(self, index: int) -> Pairs:
        return self._pairs[index]

    def visible(self, index: int) -> tuple[Floats, list[str]]:
        """Boxes (N, 4) in pixels and classes of everyone and everything not too hidden."""
        return self._visible[index]

    def image(self, index: int) -> Image:
        path, row = self._places[index]
        return decode(_jpegs(path)[row])


def find_setting(name: str) -> frozenset[tuple[str, str]]:
    """What it hides. Raises ModelError for an unknown one."""
    if name not in SETTINGS:
        raise ModelError(f"the world has no setting {name!r}: {', '.join(SETTINGS)}")
    return SETTINGS[name]


def open_world(folder: Path, split: str, setting: str) -> WorldFrames:
    """Clips of `folder`: `test` those with a held-out seed, `train` all others.

    A setting drops the annotations of `SETTINGS` from training.
    """
    find_setting(setting)
    clips = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
    clips = [path for path in clips if (int(path.stem) in HELD_OUT) == (split == "test")]
    if not clips:
        raise ModelError(f"{folder}: no {split} clips (SEED.npz, made by render_frames)")
    return WorldFrames(clips, setting if split == "train" else "default")


def world_vocabulary(hidden: frozenset[tuple[str, str]] = frozenset()) -> Vocabulary:
    """The world's verbs and things; every act may be done with its things alone, if not hidden."""
    things = CLASSES[1:]
    done = {PICK_UP: ACTS["hold"], **ACTS}
    verbs = tuple(
        Verb(name, f"a photo of a person {_GERUNDS[name]} an object", name in MOMENT_VERBS)
        for name in VERBS
    )
    allowed = tuple(
        tuple(
            v for v, name in enumerate(VERBS) if thing in done[name] and (name, thing) not in hidden
        )
        for thing in things
    )
    return Vocabulary("world", verbs, things, allowed)


@lru_cache(maxsize=128)  # clips; 0.1 MB each
def _jpegs(path: Path) -> list[npt.NDArray[np.uint8]]:
    return _read(path, read_jpegs)


def _read(path: Path, read: Callable[[Path], Part]) -> Part:
    try:
        return read(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: damaged clip; delete it and render it again") from error


def _seen(truth: FrameTruth) -> tuple[Floats, list[str]]:
    """Boxes (N, 4) in pixels of the stored picture, classes."""
    seen = [i for i in truth.instances if i.occlusion <= HIDDEN]
    boxes = np.array([i.box for i in seen], np.float32).reshape(-1, 4)
    return boxes * np.float32(RENDERED_TO_INPUT), [i.class_name for i in seen]


def _pairs(truth: FrameTruth, hidden: frozenset[tuple[str, str]]) -> Pairs:
    """What visible persons do with visible things, boxes in pixels of the stored picture."""
    seen = {i.id: i for i in truth.instances if i.occlusion <= HIDDEN}
    rows = [
        (seen[pair.human].box, seen[pair.object].box, seen[pair.object].class_name, verb)
        for pair in truth.pairs
        if pair.human in seen and pair.object in seen
        for verb in pair.verbs
        if (verb, seen[pair.object].class_name) not in hidden
    ]
    scale = np.float32(RENDERED_TO_INPUT)
    return Pairs(
        np.array([row[0] for row in rows], np.float32).reshape(-1, 4) * scale,
        np.array([row[1] for row in rows], np.float32).reshape(-1, 4) * scale,
        np.array([CLASSES.index(row[2]) - 1 for row in rows], np.int64),
        np.array([VERBS.index(row[3]) for row in rows], np.int64),
    )


_GERUNDS = {
    "hold": "holding",
    "carry": "carrying",
    "pick up": "picking up",
    "drink with": "drinking with",
    "read": "reading",
    "sit on": "sitting on",
    "stand on": "standing on",
    "ride": "riding",
    "push": "pushing",
    "pull": "pulling",
    "kick": "kicking",
    "throw": "throwing",
    "open": "opening",
    "wear": "wearing",
    "talk on": "talking on",
}
