"""Takes through the real stages, a process each, into outboxes that are kept.

A run that was stopped goes on with the first take that was not finished. Nothing is watched again
until the bundle, the verbs or the code between frames and events become others.
"""

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from dataclasses import dataclass, replace
from functools import cache
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import supervision as sv

from models.bundle import Bundle, home, load_bundle
from models.datasets.detections import DetectionCache, cache_folder
from models.datasets.images import SkippedImages
from models.detector import open_detector
from models.device import keep_to_one_thread
from models.evaluation.union_clip import UnionClip
from models.pairs import PairScores
from models.scorer import PairScorer, load_scorer, make_looker
from models.tracker import Tracker
from models.vocabulary import Vocabulary
from storage.outbox import Outbox, OutboxRow
from stream.careful import Careful, Quarantine
from stream.deliver import Deliver
from stream.events import EventMaker, Lifecycle
from stream.footage import Slot, Take, TakePictures, film, watch
from stream.frames import Image
from stream.look import Look
from stream.score import Score, ScorePairs
from stream.smooth import Smoother, Smoothing
from stream.stats import Timing
from stream.track import Track
from stream.union_samples import UnionSamples

PLAIN_CLIP = "world"  # whose towers alone are a baseline
SAMPLE_SECONDS = 1.0  # how often vectors of pairs are kept
_PAGE = 1000  # rows read at once
_FEW = 4  # takes; starting a process for each takes longer
_FORMAT = "1"


@dataclass(frozen=True)
class Recorder:
    """What is watched with; sent to the processes."""

    bundle: str  # folder
    detector: str  # file, or name of a model hub
    unknown: frozenset[str]  # verbs that its vocabulary is deprived of

    def record(
        self, slots: Sequence[Slot], *, on_take: Callable[[int], None] = lambda _: None
    ) -> None:
        """Until every slot has its take and its outbox; `on_take` hears how many have."""
        missing = [slot for slot in slots if not self._outbox(slot).exists()]
        done = len(slots) - len(missing)
        on_take(done)
        if len(missing) <= _FEW:
            for n, slot in enumerate(missing, 1):
                self.record_one(slot)
                on_take(done + n)
            return
        processes = ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), keep_to_one_thread)
        with processes as pool:
            for n, _ in enumerate(pool.map(self.record_one, missing), 1):
                on_take(done + n)

    def record_one(self, slot: Slot) -> None:
        tools, take, path = _tools(self), film(slot), self._outbox(slot)
        path.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=path.parent) as folder:
            outbox = Outbox(Path(folder) / "outbox.db")
            with closing(outbox):
                tools.tell(take, outbox, Path(folder))
            outbox.path.replace(path)

    def rows(self, slot: Slot) -> Iterator[Sequence[OutboxRow]]:
        """What was told of a recorded slot, page by page."""
        with closing(Outbox(self._outbox(slot))) as outbox:
            last = 0
            while rows := outbox.read(after=last, limit=_PAGE):
                yield rows
                last = rows[-1].seq

    def _outbox(self, slot: Slot) -> Path:
        told = f"{_FORMAT} {slot} {sorted(self.unknown)} {_code(self.bundle)}"
        digest = hashlib.sha256(told.encode()).hexdigest()[:12]
        return home() / "footage" / "events" / f"{slot.seed}-{digest}.db"


class _Tools:
    """A bundle's networks, opened once a process."""

    def __init__(self, bundle: Bundle, detector: str, unknown: frozenset[str]) -> None:
        self._bundle, self._detector = bundle, detector
        self._vocabulary = without(bundle.vocabulary, unknown)
        scorer = load_scorer(bundle)
        self._scorer = FewerVerbs(scorer, bundle.vocabulary, self._vocabulary)
        self._looker = make_looker(scorer)
        self._clip = UnionClip(load_bundle(PLAIN_CLIP))

    def tell(self, take: Take, outbox: Outbox, folder: Path) -> None:
        """The real stages behind the detector; what they tell goes into the outbox."""
        bundle, quarantine = self._bundle, Quarantine(folder / "quarantine")
        careful: ScorePairs = Careful(
            "score",
            lambda items: self._scorer.score(*zip(*items, strict=True)),
            quarantine,
            Timing(),
        )
        smoothing = Smoothing.from_dict(self._vocabulary.verb_names, bundle.smoothing)
        events = EventMaker(
            self._vocabulary,
            smoothing,
            Lifecycle.from_dict(bundle.events),
            bundle=bundle.hash,
            config="",
            sample_seconds=SAMPLE_SECONDS,
        )
        classes: Sequence[str] = bundle.manifest.detector.classes or ()
        tracking: Mapping[str, Any] = bundle.tracking
        numbers = Track(lambda: Tracker(classes, **tracking), quarantine)
        tracked = numbers.track(watch(take, self._detected(take)))
        tracked = UnionSamples(self._clip, outbox.append, SAMPLE_SECONDS).sample(tracked)
        scored = Score(careful, self._vocabulary).score(tracked)
        if self._looker is not None:
            look = Look.through(self._looker, self._vocabulary.objects, quarantine)
            scored = look.look(scored)
        smoothed = Smoother(smoothing).smooth(scored)
        for _ in Deliver(outbox.append, folder).deliver(events.events(smoothed)):
            pass

    def _detected(self, take: Take) -> DetectionCache:
        section, name = self._bundle.manifest.detector, self._detector
        classes = section.classes or ()
        data, split = f"world:{take.path.parent}", str(take.slot.seed)
        folder = cache_folder(data, split, name, section.threshold, classes)
        found = DetectionCache(
            folder, lambda: open_detector(name, classes=classes, threshold=section.threshold)
        )
        found.fill(TakePictures(take), SkippedImages())
        return found


class FewerVerbs:
    """A scorer that knows fewer verbs; its pair vectors are the same."""

    def __init__(self, scorer: PairScorer, whole: Vocabulary, fewer: Vocabulary) -> None:
        self._scorer = scorer
        self._kept = [whole.verb_names.index(name) for name in fewer.verb_names]

    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        return [
            replace(
                scores,
                logits=scores.logits[:, self._kept],
                evidence=scores.evidence[:, self._kept],
            )
            for scores in self._scorer.score(images, detections)
        ]


def without(vocabulary: Vocabulary, verbs: frozenset[str]) -> Vocabulary:
    kept = [i for i, verb in enumerate(vocabulary.verbs) if verb.name not in verbs]
    place = {old: new for new, old in enumerate(kept)}
    allowed = tuple(tuple(place[v] for v in row if v in place) for row in vocabulary.allowed)
    return replace(vocabulary, verbs=tuple(vocabulary.verbs[i] for i in kept), allowed=allowed)


@cache
def _tools(recorder: Recorder) -> _Tools:
    return _Tools(load_bundle(recorder.bundle), recorder.detector, recorder.unknown)


@cache
def _code(bundle: str) -> str:
    """Of the bundle and of the program between frames and events."""
    root = Path(__file__).parent.parent
    files = [*root.glob("models/*.py"), *root.glob("models/cmmp/*.py"), *root.glob("stream/*.py")]
    digest = hashlib.sha256(load_bundle(bundle).hash.encode())
    for file in sorted(files):
        if not file.name.startswith(("cli", "bench", "evaluate", "answerers")):
            digest.update(file.read_bytes())
    return digest.hexdigest()
