"""Frames of the procedural world as `render_frames` left them: a file a clip, named by its seed."""

import logging
import zipfile
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from models.datasets.examples import Image, Pairs
from models.errors import ModelError
from models.training.world_frames import HELD_OUT, RENDERED_TO_INPUT, decode, read_clip
from models.vocabulary import Verb, Vocabulary
from models.world.truth import (
    ACTS,
    CLASSES,
    MOMENT_VERBS,
    PICK_UP,
    UNSEEN,
    VERBS,
    FrameTruth,
)

logger = logging.getLogger(__name__)

HIDDEN = 0.75  # occluded more than this: no detector finds it
SETTINGS = ("default", "unseen_pairs")


class WorldFrames:
    """An `HOIDataset` of the frames in which somebody does something; keys are `seed:frame`."""

    def __init__(self, clips: Sequence[Path], setting: str) -> None:
        self.vocabulary = world_vocabulary(without_unseen=setting == "unseen_pairs")
        self._places: list[tuple[Path, int]] = []
        self._pairs: list[Pairs] = []
        for path in clips:
            try:
                truths = _read(path)[1]
            except ModelError as error:
                logger.warning("%s; skipped", error)
                continue
            for row, truth in enumerate(truths):
                pairs = _pairs(truth, without_unseen=setting == "unseen_pairs")
                if len(pairs.verbs):
                    self._places.append((path, row))
                    self._pairs.append(pairs)
        self.keys: Sequence[str] = [f"{path.stem}:{row}" for path, row in self._places]

    def pairs(self, index: int) -> Pairs:
        return self._pairs[index]

    def image(self, index: int) -> Image:
        path, row = self._places[index]
        return decode(_read(path)[0][row])


def open_world(folder: Path, split: str, setting: str) -> WorldFrames:
    """Clips of `folder`: `test` those with a held-out seed, `train` all others.

    `unseen_pairs` drops the annotations of `models.world.truth.UNSEEN` from training.
    """
    if setting not in SETTINGS:
        raise ModelError(f"the world has no setting {setting!r}: {', '.join(SETTINGS)}")
    clips = sorted(path for path in folder.glob("*.npz") if path.stem.isdigit())
    clips = [path for path in clips if (int(path.stem) in HELD_OUT) == (split == "test")]
    if not clips:
        raise ModelError(f"{folder}: no {split} clips (SEED.npz, made by render_frames)")
    return WorldFrames(clips, setting if split == "train" else SETTINGS[0])


def world_vocabulary(*, without_unseen: bool = False) -> Vocabulary:
    """The world's verbs and things; every act may be done with its things alone."""
    things = CLASSES[1:]
    done = {PICK_UP: ACTS["hold"], **ACTS}
    verbs = tuple(
        Verb(name, f"a photo of a person {_GERUNDS[name]} an object", name in MOMENT_VERBS)
        for name in VERBS
    )
    allowed = tuple(
        tuple(
            v
            for v, name in enumerate(VERBS)
            if thing in done[name] and not (without_unseen and (name, thing) in UNSEEN)
        )
        for thing in things
    )
    return Vocabulary("world", verbs, things, allowed)


@lru_cache(maxsize=128)  # clips; 0.2 MB each
def _read(path: Path) -> tuple[list[npt.NDArray[np.uint8]], list[FrameTruth]]:
    try:
        return read_clip(path)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise ModelError(f"{path}: damaged clip; delete it and render it again") from error


def _pairs(truth: FrameTruth, *, without_unseen: bool) -> Pairs:
    """What visible persons do with visible things, boxes in pixels of the stored picture."""
    seen = {i.id: i for i in truth.instances if i.occlusion <= HIDDEN}
    rows = [
        (seen[pair.human].box, seen[pair.object].box, seen[pair.object].class_name, verb)
        for pair in truth.pairs
        if pair.human in seen and pair.object in seen
        for verb in pair.verbs
        if not (without_unseen and (verb, seen[pair.object].class_name) in UNSEEN)
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
