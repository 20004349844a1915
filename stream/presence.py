"""Who and what is in front of one camera: since when, taken for what, what it looks like."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

import numpy as np
import numpy.typing as npt

from models.colours import INNER, LOWER, UPPER, Shares, colour_shares, name_of, part_of
from models.tracker import PERSON
from storage.tracks import Track
from stream.sightings import View

_FORGET_SECONDS = 60.0  # a track that long away is in no open event
_TELL_SECONDS = 60.0  # how stale the stored end of a track may become
_LOOK_SECONDS = 1.0  # how often it is asked who has gone
_COLOUR_SECONDS = 0.5  # how often colours are looked at
_REAL_FRAMES = 3  # fewer is a flicker


@dataclass
class _Presence:
    """A track so far."""

    epoch: int  # in which it was first seen
    began: datetime
    start: float  # media seconds
    classes: Counter[str] = field(default_factory=Counter)  # frames by class
    above: Shares | float = 0.0  # of the trunk, or of all of a thing; summed over looks
    below: Shares | float = 0.0
    colours_due: float = -np.inf
    looks: npt.NDArray[np.float32] | float = 0.0  # summed
    last_at: datetime = field(init=False)
    last: float = field(init=False)
    told: float = field(init=False)

    def __post_init__(self) -> None:
        self.last_at, self.last, self.told = self.began, self.start, self.start

    def note(self, view: View, number: int) -> None:
        frame = view.frame.frame
        self.last_at, self.last = frame.wall_time, view.media
        self.classes[view.class_name(number)] += 1
        if (seen := view.frame.looks.get(number)) is not None:
            self.looks = self.looks + seen.astype(np.float32)
        if view.media >= self.colours_due:
            self.colours_due = view.media + _COLOUR_SECONDS
            box = np.array(view.box(number), np.float32)
            person = view.class_name(number) == PERSON
            first = part_of(box, UPPER if person else INNER)
            self.above = self.above + colour_shares(frame.image, first)
            if person:
                self.below = self.below + colour_shares(frame.image, part_of(box, LOWER))

    @property
    def is_real(self) -> bool:
        return self.classes.total() >= _REAL_FRAMES

    @property
    def _look(self) -> npt.NDArray[np.float16] | None:
        summed = np.asarray(self.looks, np.float32)
        length = np.linalg.norm(summed)
        return (summed / length).astype(np.float16) if length > 0 else None

    def track(self, camera: str, number: int, bundle: str) -> Track:
        return Track(
            id=f"{camera}:{self.epoch}:{number}",
            camera=camera,
            class_name=self.classes.most_common(1)[0][0],
            first_seen=self.began,
            last_seen=self.last_at,
            media_start=self.start,
            media_end=self.last,
            frames=self.classes.total(),
            bundle=bundle,
            colour=name_of(self.above),
            lower_colour=name_of(self.below),
            look=self._look,
        )


class Presences:
    """All tracks of a camera that were here within the last minute."""

    def __init__(self, camera: str, bundle: str) -> None:
        self._camera, self._bundle = camera, bundle
        self._seen: dict[int, _Presence] = {}  # by number
        self._due = 0.0  # media seconds; when to look who has gone

    def track_id(self, number: int) -> str:
        return f"{self._camera}:{self._seen[number].epoch}:{number}"

    def meet(self, view: View) -> None:
        """Take note of who is in the frame."""
        frame = view.frame.frame
        for number in view.row_of:
            if number not in self._seen:
                self._seen[number] = _Presence(frame.epoch, frame.wall_time, view.media)
            self._seen[number].note(view, number)

    def part(self, view: View) -> tuple[Track, ...]:
        """Forget who has been away for long: after the frame's events, which may name them still.

        Returns what is to be told: those forgotten, and who is here for another minute.
        """
        told = list[Track]()
        if view.media < self._due:
            return ()
        self._due = view.media + _LOOK_SECONDS
        for number, seen in list(self._seen.items()):
            gone = view.media - seen.last >= _FORGET_SECONDS
            if gone:
                del self._seen[number]
            if seen.is_real and (gone or seen.last - seen.told >= _TELL_SECONDS):
                seen.told = seen.last
                told.append(seen.track(self._camera, number, self._bundle))
        return tuple(told)

    def leave(self) -> tuple[Track, ...]:
        """The camera has ended."""
        return tuple(
            seen.track(self._camera, number, self._bundle)
            for number, seen in self._seen.items()
            if seen.is_real
        )
