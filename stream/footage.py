"""Held-out world clips as two working days of a few cameras, kept on disk for the next run.

Clip n is a take of camera n % 4; between two takes of a camera the camera saw nobody. Every fourth
clip is one in which things change hands. Clips and their truth are made once.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from models.bundle import home
from models.datasets.detections import DetectionCache
from models.datasets.examples import Image
from models.training.world_frames import HELD_OUT
from models.world.clip import write_clip
from models.world.exchanges import exchanges
from models.world.render import everyday
from models.world.truth import ClipTruth
from stream.frames import DetectedFrame, Round
from stream.sources import read_file

CAMERAS = ("gate", "lobby", "yard", "dock")
CLIP_SECONDS = 24.0
NOW = datetime(2026, 3, 4, 18, tzinfo=UTC)  # Wednesday; when the questions are asked
FIRST_SEED = HELD_OUT.start + 500  # `stream evaluate world` has the ones before
MOST_CLIPS = HELD_OUT.stop - FIRST_SEED
_OPENS, _CLOSES = timedelta(hours=8), timedelta(hours=17)  # of both days
_DAYS = (NOW - timedelta(days=1), NOW)
_EXCHANGE_EVERY = 4
_FORMAT = "1"  # of the world as it is drawn and of the clips


@dataclass(frozen=True)
class Slot:
    """A clip before it is made: which camera will see it, and when."""

    seed: int
    camera: str
    epoch: int  # counts the camera's takes
    began: datetime  # wall time of its first frame
    media: float  # seconds of the camera's media clock at its first frame
    exchanged: bool  # things change hands


@dataclass(frozen=True, eq=False)
class Take:
    """A clip, and what is true in it."""

    slot: Slot
    path: Path
    truth: ClipTruth

    @property
    def camera(self) -> str:
        return self.slot.camera

    @property
    def began(self) -> datetime:
        return self.slot.began


def plan(clips: int, *, first_seed: int = FIRST_SEED) -> list[Slot]:
    """Slots in the order of time. The default seeds are for reports, tune on others."""
    begins = _begins(clips)
    slots = []
    for n, (camera, began) in enumerate(begins):
        first = next(when for name, when in begins if name == camera)
        media = (began - first).total_seconds()
        exchanged = n % _EXCHANGE_EVERY == 0
        slots.append(Slot(first_seed + n, camera, n // len(CAMERAS), began, media, exchanged))
    return sorted(slots, key=lambda slot: slot.began)


def film(slot: Slot) -> Take:
    """Rendered and encoded, if that was not done before."""
    folder = home() / "footage" / _FORMAT
    path = folder / f"{slot.seed}.mp4"
    facts = path.with_suffix(".json")
    if path.exists() and facts.exists():
        return Take(slot, path, ClipTruth.from_json(facts.read_text()))
    folder.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    truth = write_clip(
        part,
        slot.seed,
        CLIP_SECONDS,
        people=2 + slot.seed % 2 if slot.exchanged else None,
        lives=exchanges if slot.exchanged else everyday,
    )
    facts.write_text(truth.to_json())
    part.replace(path)
    return Take(slot, path, truth)


def watch(take: Take, cache: DetectionCache) -> Iterator[Round[DetectedFrame]]:
    """Frames with their detections, then the camera's end."""
    slot = take.slot
    for n, frame in enumerate(read_file(take.path, camera=slot.camera)):
        passed = take.truth.frames[n].seconds
        seen = replace(
            frame,
            epoch=slot.epoch,
            media_time=slot.media + passed,
            wall_time=slot.began + timedelta(seconds=passed),
        )
        yield Round((DetectedFrame(seen, cache[_key(take, n)]),))
    yield Round((), ended=(slot.camera,))


class TakePictures:
    """The `Pictures` of a take."""

    def __init__(self, take: Take) -> None:
        self.keys: Sequence[str] = [_key(take, n) for n in range(len(take.truth.frames))]
        self._path = take.path
        self._images: list[Image] = []

    def image(self, index: int) -> Image:
        if not self._images:
            self._images = [frame.image for frame in read_file(self._path)]
        return self._images[index]


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
