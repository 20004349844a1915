"""A bundle on the images of a data set: detections from the cache, pairs from its scorer."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import supervision as sv
from scipy.special import expit

from models.datasets.detections import DetectionCache
from models.datasets.examples import Floats, HOIDataset, Image
from models.datasets.images import SkippedImages
from models.errors import ModelError
from models.evaluation.triplets import ImageTriplets, ScoredTriplets, gather
from models.pairs import PairScores
from models.vocabulary import Vocabulary

# Power of both instances' detection scores in a triplet's score. CMMP's authors give 2.8 to
# detectors whose scores are as sure as DETR's (spec 1.10); plain detectors are less so.
EXPONENTS = {"cmmp": 2.8}
_BATCH = 8  # images


class Scores(Protocol):
    """What scores pairs of detections: a stream's scorer, or the paper's way."""

    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        """One result an image; `human` and `object` are track numbers, here rows."""


class Wording:
    """How a bundle's verbs and classes are numbered in a data set's vocabulary, by their names."""

    def __init__(self, mine: Vocabulary, theirs: Vocabulary) -> None:
        self.verbs = [
            (column, theirs.verb_names.index(name))
            for column, name in enumerate(mine.verb_names)
            if name in theirs.verb_names
        ]
        if not self.verbs:
            raise ModelError(
                f"the bundle's vocabulary {mine.name!r} has no verb of {theirs.name!r}: "
                f"{', '.join(theirs.verb_names[:5])}, ..."
            )
        self.classes = {name: number for number, name in enumerate(theirs.objects)}
        self.width = len(theirs.verbs)

    def scores(self, probabilities: Floats) -> Floats:
        """(P, V of the bundle) -> (P, V of the data set); verbs the bundle does not know: 0."""
        scores = np.zeros((len(probabilities), self.width), np.float32)
        for mine, theirs in self.verbs:
            scores[:, theirs] = probabilities[:, mine]
        return scores


def score_dataset(
    dataset: HOIDataset,
    scorer: Scores,
    vocabulary: Vocabulary,
    cache: DetectionCache,
    *,
    exponent: float = 1.0,
    skipped: SkippedImages,
    on_image: Callable[[int], None] = lambda _: None,
) -> ScoredTriplets:
    """Score every readable image whose detections are in `cache`; `vocabulary` is the scorer's.

    A triplet's score is the verb's probability times (score of the person * score of the thing)
    to the power `exponent`.
    """
    wording = Wording(vocabulary, dataset.vocabulary)

    def images() -> Iterator[tuple[str, ImageTriplets]]:
        for start in range(0, len(dataset.keys), _BATCH):
            rows = range(start, min(start + _BATCH, len(dataset.keys)))
            read = [(dataset.keys[row], skipped.read(dataset, row)) for row in rows]
            shown = [(key, image) for key, image in read if image is not None and key in cache]
            yield from _score(shown, scorer, cache, wording, exponent)
            on_image(rows.stop)

    found = gather(images())
    if not found.keys:
        first = next(iter(skipped.reasons.values()), "no detections")
        raise ModelError(f"none of {len(dataset.keys)} images can be read; the first: {first}")
    return found


def _score(
    shown: list[tuple[str, Image]],
    scorer: Scores,
    cache: DetectionCache,
    wording: Wording,
    exponent: float,
) -> Iterator[tuple[str, ImageTriplets]]:
    detections = [_numbered(cache[key]) for key, _ in shown]
    results = scorer.score([image for _, image in shown], detections)
    for (key, _), found, pairs in zip(shown, detections, results, strict=True):
        yield key, _triplets(found, pairs, wording, exponent)


def _numbered(found: sv.Detections) -> sv.Detections:
    """Rows as track numbers, by which a scorer's pairs name them."""
    found.tracker_id = np.arange(len(found))
    return found


def _triplets(
    found: sv.Detections, pairs: PairScores, wording: Wording, exponent: float
) -> ImageTriplets:
    names = found.data.get("class_name", np.zeros(0, object))
    classes = np.array([wording.classes.get(str(names[row]), -1) for row in pairs.object], np.int64)
    known = classes >= 0
    human, thing = pairs.human[known], pairs.object[known]
    confidence = _confidence(found)
    prior = (confidence[human] * confidence[thing]) ** np.float32(exponent)
    probabilities = expit(pairs.evidence[known]).astype(np.float32)  # of -inf: 0
    boxes = found.xyxy.astype(np.float32)
    return ImageTriplets(
        boxes[human],
        boxes[thing],
        classes[known],
        wording.scores(probabilities) * prior[:, None],
    )


def _confidence(found: sv.Detections) -> Floats:
    if found.confidence is None:
        return np.ones(len(found), np.float32)
    confidence: Floats = found.confidence.astype(np.float32)
    return confidence
