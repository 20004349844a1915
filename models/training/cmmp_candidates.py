"""Where the boxes of a training come from: a detector, or the truth with a detector's errors."""

from collections.abc import Callable

import numpy as np
import supervision as sv

from models.datasets.detections import DetectionCache
from models.datasets.examples import Floats, HOIDataset
from models.datasets.world import WorldFrames
from models.pairs import PERSON

_JITTER = 0.05  # deviation of a candidate's corners, in sides of its box
_LEAST_SURE = 0.5  # score of a true box that is made to look detected

# Boxes in pixels, scores, class_name of a picture; the same for the same state of the generator.
Candidates = Callable[[int, np.random.Generator], sv.Detections]


def jittered_truth(dataset: HOIDataset) -> Candidates:
    """Boxes of annotated pairs, a little moved, in place of a detector's; all are sure."""

    def candidates(index: int, rng: np.random.Generator) -> sv.Detections:
        pairs = dataset.pairs(index)
        humans = np.unique(pairs.humans, axis=0)
        things, first = np.unique(pairs.objects, axis=0, return_index=True)
        classes = [dataset.vocabulary.objects[c] for c in pairs.object_classes[first]]
        boxes = np.concatenate([humans, things])
        return _found(
            _moved(boxes, rng), np.ones(len(boxes), np.float32), [PERSON] * len(humans) + classes
        )

    return candidates


def world_candidates(dataset: WorldFrames) -> Candidates:
    """All that is visible, a little moved and more or less sure, whether anybody uses it or not:
    a person beside a chair is no person on a chair."""

    def candidates(index: int, rng: np.random.Generator) -> sv.Detections:
        boxes, names = dataset.visible(index)
        moved = _moved(boxes, rng)
        scores = rng.uniform(_LEAST_SURE, 1, len(boxes)).astype(np.float32)
        return _found(moved, scores, names)

    return candidates


def detected(dataset: HOIDataset, cache: DetectionCache) -> Candidates:
    """All that a detector said; nothing, where its picture could not be read."""

    def candidates(index: int, _: np.random.Generator) -> sv.Detections:
        key = dataset.keys[index]
        nothing = np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
        return cache[key] if key in cache else _found(*nothing, [])

    return candidates


def _moved(boxes: Floats, rng: np.random.Generator) -> Floats:
    sides = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    noise = rng.standard_normal(boxes.shape).astype(np.float32)
    moved: Floats = boxes + np.float32(_JITTER) * sides * noise
    return moved


def _found(boxes: Floats, scores: Floats, names: list[str]) -> sv.Detections:
    return sv.Detections(
        boxes,
        confidence=scores,
        data={"class_name": np.array(names, dtype=object)},
    )
