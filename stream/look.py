"""Stage `look`: what tracked people and things look like, a few times in the life of each."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from models.pairs import PERSON
from stream.careful import Careful, Quarantine
from stream.frames import Image, Round, ScoredFrame
from stream.stats import Timing

if TYPE_CHECKING:
    from models.looks import Looker

Box = npt.NDArray[np.float32]
LookAt = Careful[tuple[Image, Box], npt.NDArray[np.float16]]

_FIRST_SECONDS, _RARER = 0.3, 4.0  # age at the first look, and how many times that at the next
_FORGET_SECONDS = 60.0  # a track that long away does not come back


@dataclass
class _Watched:
    """A track of one camera."""

    since: float  # media seconds
    last: float
    looks: int = 0

    @property
    def due(self) -> float:
        return self.since + _FIRST_SECONDS * _RARER**self.looks


class Look:
    """At one person or thing of a scored frame, whose turn has come.

    A look takes a pass of the image tower: a track gets four in its first half minute, and who
    stays gets ever fewer.
    """

    @classmethod
    def through(
        cls,
        looker: "Looker",
        objects: Iterable[str],
        quarantine: Quarantine,
        timing: Timing | None = None,
    ) -> "Look":
        """A frame whose crop the tower fails on goes to the quarantine, and on without a look."""
        see: LookAt = Careful(
            "look", lambda items: looker.look(*zip(*items, strict=True)), quarantine, timing
        )
        return cls(see, objects)

    def __init__(self, look_at: LookAt, objects: Iterable[str]) -> None:
        self._look_at = look_at
        self._classes = frozenset((PERSON, *objects))
        self._cameras: dict[str, dict[int, _Watched]] = {}

    def look(self, rounds: Iterable[Round[ScoredFrame]]) -> Iterator[Round[ScoredFrame]]:
        for round_ in rounds:
            chosen = [self._choose(scored) for scored in round_.frames]
            asked = [
                (scored, row)
                for scored, row in zip(round_.frames, chosen, strict=True)
                if row is not None
            ]
            seen = iter(
                self._look_at.run(
                    [scored.frame for scored, _ in asked],
                    [(scored.frame.image, scored.detections.xyxy[row]) for scored, row in asked],
                )
            )
            frames = tuple(
                scored if row is None else self._told(scored, row, next(seen))
                for scored, row in zip(round_.frames, chosen, strict=True)
            )
            for camera in round_.ended:
                self._cameras.pop(camera, None)
            yield replace(round_, frames=frames)

    def _choose(self, scored: ScoredFrame) -> int | None:
        """The row that was looked at least often of those that are due."""
        ids = scored.detections.tracker_id
        if scored.gated is not None or ids is None:
            return None
        now = scored.frame.media_time
        known = self._cameras.setdefault(scored.frame.camera, {})
        for number in [n for n, one in known.items() if now - one.last > _FORGET_SECONDS]:
            del known[number]
        due = list[tuple[int, float, int]]()
        for row, (number, name) in enumerate(
            zip(ids.tolist(), scored.detections.data["class_name"], strict=True)
        ):
            if number < 0 or name not in self._classes:
                continue
            one = known.setdefault(number, _Watched(now, now))
            one.last = now
            if one.due <= now:
                due.append((one.looks, one.due, row))
        return min(due)[2] if due else None

    def _told(
        self, scored: ScoredFrame, row: int, seen: npt.NDArray[np.float16] | None
    ) -> ScoredFrame:
        assert scored.detections.tracker_id is not None
        number = int(scored.detections.tracker_id[row])
        self._cameras[scored.frame.camera][number].looks += 1
        return scored if seen is None else replace(scored, looks={number: seen})
