"""Held-out world clips as two working days of a few cameras, kept on disk for the next run.

Clip n is a take of camera n % 4; between two takes of a camera the camera saw nobody. Every fourth
clip is one in which things change hands. Clips, truth and detections are made once.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from models.bundle import home
from models.datasets.detections import DetectionCache
from models.datasets.examples import Image
from models.datasets.images import SkippedImages
from models.training.world_frames import HELD_OUT
from models.world.clip import write_clip
from models.world.exchanges import exchanges
from models.world.render import everyday
from models.world.truth import ClipTruth
from stream.frames import DetectedFrame, Round
from stream.sources import read_file

logger = logging.getLogger(__name__)

CAMERAS = ("gate", "lobby", "yard", "dock")
CLIP_SECONDS = 24.0
NOW = datetime(2026, 3, 4, 18, tzinfo=UTC)  # Wednesday; when the questions are asked
_FIRST_SEED = HELD_OUT.start + 500  # `stream evaluate world` has the ones before
MOST_CLIPS = HELD_OUT.stop - _FIRST_SEED
_OPENS, _CLOSES = timedelta(hours=8), timedelta(hours=17)  # of both days
_DAYS = (NOW - timedelta(days=1), NOW)
_EXCHANGE_EVERY = 4
_FORMAT = "1"  # of the world as it is drawn and of the clips


@dataclass(frozen=True, eq=False)
class Take:
    """One clip: which camera saw it, from when, and what is true in it."""

    camera: str
    epoch: int  # counts the camera's takes
    began: datetime  # wall time of its first frame
    media: float  # seconds of the camera's media clock at its first frame
    path: Path
    truth: ClipTruth


def shoot(clips: int, *, on_clip: Callable[[int], None] = lambda _: None) -> list[Take]:
    """Takes in the order of time; what is not there yet is rendered."""
    folder = home() / "footage" / _FORMAT
    folder.mkdir(parents=True, exist_ok=True)
    begins = _begins(clips)
    takes = []
    for n, (camera, began) in enumerate(begins):
        path = folder / f"{_FIRST_SEED + n}.mp4"
        truth = _film(path, _FIRST_SEED + n, exchanged=n % _EXCHANGE_EVERY == 0)
        first = next(when for name, when in begins if name == camera)
        media = (began - first).total_seconds()
        takes.append(Take(camera, n // len(CAMERAS), began, media, path, truth))
        on_clip(n + 1)
    return sorted(takes, key=lambda take: take.began)


def detect(
    takes: Sequence[Take],
    cache: DetectionCache,
    *,
    on_frame: Callable[[int], None] = lambda _: None,
) -> None:
    """Fills the cache with what is seen on every frame."""
    cache.fill(_TakePictures(takes), SkippedImages(), on_image=on_frame)


def watch(
    takes: Sequence[Take], cache: DetectionCache, *, on_frame: Callable[[], None] = lambda: None
) -> Iterator[Round[DetectedFrame]]:
    """Frames with their detections, one take after the other; then all cameras end."""
    indices = dict.fromkeys(CAMERAS, 0)
    for take in takes:
        for n, frame in enumerate(read_file(take.path, camera=take.camera)):
            passed = take.truth.frames[n].seconds
            seen = replace(
                frame,
                index=indices[take.camera] + n,
                epoch=take.epoch,
                media_time=take.media + passed,
                wall_time=take.began + timedelta(seconds=passed),
            )
            yield Round((DetectedFrame(seen, cache[_key(take, n)]),))
            on_frame()
        indices[take.camera] += len(take.truth.frames)
    yield Round((), ended=CAMERAS)


class _TakePictures:
    """The `Pictures` of all takes, read one clip after the other."""

    def __init__(self, takes: Sequence[Take]) -> None:
        self._places = [(take, n) for take in takes for n in range(len(take.truth.frames))]
        self.keys: Sequence[str] = [_key(take, n) for take, n in self._places]
        self._open: Path | None = None
        self._images: list[Image] = []

    def image(self, index: int) -> Image:
        take, n = self._places[index]
        if take.path != self._open:
            self._images = [frame.image for frame in read_file(take.path)]
            self._open = take.path
        return self._images[n]


def _key(take: Take, n: int) -> str:
    return f"{take.truth.seed}:{n}"


def _begins(clips: int) -> list[tuple[str, datetime]]:
    """Camera and start of each clip; no two takes of a camera within five minutes."""
    slots = -(-clips // len(CAMERAS))
    per_day = -(-slots // len(_DAYS))
    step = (_CLOSES - _OPENS) / max(per_day, 1)
    found = []
    for n in range(clips):
        slot, camera = divmod(n, len(CAMERAS))
        day, place = divmod(slot, per_day)
        dice = np.random.default_rng(n)
        late = timedelta(seconds=int(dice.integers(0, int(step.total_seconds() / 2))))
        began = _DAYS[day].replace(hour=0) + _OPENS + step * place + late
        found.append((CAMERAS[camera], began.replace(microsecond=0)))
    return found


def _film(path: Path, seed: int, *, exchanged: bool) -> ClipTruth:
    facts = path.with_suffix(".json")
    if path.exists() and facts.exists():
        return ClipTruth.from_json(facts.read_text())
    part = path.with_suffix(".part")
    truth = write_clip(
        part,
        seed,
        CLIP_SECONDS,
        people=2 + seed % 2 if exchanged else None,
        lives=exchanges if exchanged else everyday,
    )
    facts.write_text(truth.to_json())
    part.replace(path)
    return truth
