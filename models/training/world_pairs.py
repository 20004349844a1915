"""Pairs of boxes of the world's frames, for what is learned without pictures."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from models.datasets.world import HIDDEN
from models.training.boxes import Pairs
from models.training.world_captions import apart
from models.training.world_frames import RENDERED, read_truths
from models.world.truth import CLASSES, VERBS

_NEAR = 1.0  # person heights


def world_pairs(clips: Sequence[Path], hidden: frozenset[tuple[str, str]] = frozenset()) -> Pairs:
    """Persons and near things of all frames, without those that do what is hidden."""
    human, thing, classes, labels = [], [], [], []
    index = {name: i for i, name in enumerate(CLASSES[1:])}
    column = {name: v for v, name in enumerate(VERBS)}
    for clip in clips:
        for frame in read_truths(clip):
            seen = [i for i in frame.instances if i.occlusion <= HIDDEN]
            done = {(pair.human, pair.object): pair.verbs for pair in frame.pairs}
            for person in (i for i in seen if i.class_name == "person"):
                for other in (i for i in seen if i.class_name != "person"):
                    verbs = done.get((person.id, other.id), ())
                    told = all((verb, other.class_name) not in hidden for verb in verbs)
                    if not told or apart(person, other) > _NEAR:
                        continue
                    row = np.zeros(len(VERBS), np.float32)
                    row[[column[verb] for verb in verbs]] = 1
                    human.append(person.box)
                    thing.append(other.box)
                    classes.append(index[other.class_name])
                    labels.append(row)
    return Pairs(
        np.array(human, np.float32),
        np.array(thing, np.float32),
        np.tile(np.array(RENDERED, np.float32), (len(human), 1)),
        np.array(classes, np.int64),
        np.array(labels, np.float32),
    )
