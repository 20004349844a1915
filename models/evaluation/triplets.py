"""Scored (human, verb, object) triplets of many images: what is saved once and scored later."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from models.datasets.examples import Floats, Ints
from models.errors import ModelError
from models.vocabulary import Vocabulary

_FORMAT = "hoi-stream triplets 1"
_BOX = 4


@dataclass(frozen=True, eq=False)
class ImageTriplets:
    """The P pairs of one image. A score of 0: not a triplet, the verb cannot be done with it."""

    humans: Floats  # (P, 4) xyxy, pixels of the picture
    objects: Floats  # (P, 4); NaN: the person acts on nothing that was seen
    object_classes: Ints  # (P,)
    scores: Floats  # (P, V) from 0 to 1


@dataclass(frozen=True, eq=False)
class ScoredTriplets:
    """P pairs of boxes in some images, and M verbs scored for them; numbers are a vocabulary's."""

    keys: tuple[str, ...]  # images that were looked at, those without a pair too
    image: Ints  # (P,) index in keys
    humans: Floats  # (P, 4)
    objects: Floats  # (P, 4), NaN: none
    object_classes: Ints  # (P,)
    pair: Ints  # (M,) index of the pair
    verb: Ints  # (M,)
    score: Floats  # (M,) above 0


def gather(images: Iterable[tuple[str, ImageTriplets]]) -> ScoredTriplets:
    """Triplets of images by their keys; cells with a score of 0 are left out."""
    keys: list[str] = []
    boxes, scores = [np.zeros((0, 2 * _BOX), np.float32)], [np.zeros(0, np.float32)]
    pairs, cells = [np.zeros((0, 2), np.int64)], [np.zeros((0, 2), np.int64)]
    count = 0
    for key, part in images:
        size = len(part.humans)
        row, verb = np.nonzero(part.scores > 0)
        boxes.append(np.concatenate([part.humans, part.objects], 1).astype(np.float32))
        pairs.append(np.stack([np.full(size, len(keys)), part.object_classes], 1))
        cells.append(np.stack([row + count, verb], 1))
        scores.append(part.scores[row, verb].astype(np.float32))
        keys.append(key)
        count += size
    corners, of_pairs, of_cells = (
        np.concatenate(boxes),
        np.concatenate(pairs),
        np.concatenate(cells),
    )
    return ScoredTriplets(
        tuple(keys),
        of_pairs[:, 0],
        corners[:, :_BOX],
        corners[:, _BOX:],
        of_pairs[:, 1],
        of_cells[:, 0],
        of_cells[:, 1],
        np.concatenate(scores),
    )


def save_triplets(path: Path, found: ScoredTriplets, vocabulary: Vocabulary) -> None:
    """A safetensors file: nothing in it is ever executed; numbers are as small as they may be."""
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "keys": np.frombuffer("\n".join(found.keys).encode(), np.uint8),
            "image": found.image.astype(np.int32),
            "humans": found.humans.astype(np.float32),
            "objects": found.objects.astype(np.float32),
            "object_classes": found.object_classes.astype(np.int16),
            "pair": found.pair.astype(np.int32),
            "verb": found.verb.astype(np.int16),
            "score": found.score.astype(np.float32),
        },
        path,
        {"format": _FORMAT, "vocabulary": vocabulary.name, "words": _words(vocabulary)},
    )


def load_triplets(path: Path, vocabulary: Vocabulary) -> ScoredTriplets:
    """Raises `ModelError` if the file is not one, or speaks of another vocabulary."""
    try:
        with safe_open(path, framework="np") as file:
            about = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path}: not saved detections ({error})") from error
    if about.get("format") != _FORMAT:
        raise ModelError(f"{path}: not saved detections (format {about.get('format')!r})")
    if about.get("words") != _words(vocabulary):
        other = about.get("vocabulary")
        raise ModelError(f"{path}: scored with the words of {other!r}, not of {vocabulary.name!r}")
    try:
        found = _unpack(tensors)
    except (KeyError, ValueError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not saved detections ({error})") from error
    if reason := _fault(found, vocabulary):
        raise ModelError(f"{path}: {reason}")
    return found


def _unpack(tensors: dict[str, npt.NDArray[np.generic]]) -> ScoredTriplets:
    text = tensors["keys"].tobytes().decode()
    return ScoredTriplets(
        tuple(text.split("\n")) if text else (),
        tensors["image"].astype(np.int64),
        tensors["humans"].astype(np.float32).reshape(-1, _BOX),
        tensors["objects"].astype(np.float32).reshape(-1, _BOX),
        tensors["object_classes"].astype(np.int64),
        tensors["pair"].astype(np.int64),
        tensors["verb"].astype(np.int64),
        tensors["score"].astype(np.float32),
    )


def _fault(found: ScoredTriplets, vocabulary: Vocabulary) -> str | None:
    pairs, cells = len(found.image), len(found.pair)
    if {len(found.humans), len(found.objects), len(found.object_classes)} != {pairs}:
        return "image, humans, objects and object_classes differ in length"
    if {len(found.verb), len(found.score)} != {cells}:
        return "pair, verb and score differ in length"
    if len(set(found.keys)) != len(found.keys):
        return "an image is there twice"
    limits = {
        "image": (found.image, len(found.keys)),
        "object_classes": (found.object_classes, len(vocabulary.objects)),
        "pair": (found.pair, pairs),
        "verb": (found.verb, len(vocabulary.verbs)),
    }
    for name, (values, limit) in limits.items():
        if len(values) and not (values.min() >= 0 and values.max() < limit):
            return f"{name} holds a number outside 0 to {limit - 1}"
    if not (np.isfinite(found.score).all() and np.isfinite(found.humans).all()):
        return "a score or a person's box is not a finite number"
    return None


def _words(vocabulary: Vocabulary) -> str:
    return "\n".join((*vocabulary.verb_names, "", *vocabulary.objects))
