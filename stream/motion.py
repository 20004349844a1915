"""What boxes do over time and no still shows: a thing that is held and goes along is carried."""

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from storage.interactions import Box
from stream.sightings import View

_FORGET_SECONDS = 3.0  # without being seen


@dataclass(frozen=True)
class MotionSettings:
    """Which verbs are told by motion, and by how fast a one, in heights of the person a second."""

    held: tuple[str, ...] = ()  # verbs that say that somebody has a thing
    carried: tuple[str, ...] = ()  # ... and that they go with it
    window_seconds: float = 0.56  # over which speed is taken
    walking: float = 0.25  # at this speed the belief that they go is one half
    spread: float = 0.05  # of the logistic around it

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "MotionSettings":
        names = {name: tuple(settings.get(name, ())) for name in ("held", "carried")}
        return cls(**{**settings, **names})


class Motion:
    """The paths of everybody and everything that one camera sees."""

    def __init__(self, settings: MotionSettings, names: Sequence[str]) -> None:
        """`names`: of the columns of the beliefs."""
        self._settings = settings
        self._held = np.array([names.index(v) for v in settings.held if v in names], int)
        self._carried = np.array([names.index(v) for v in settings.carried if v in names], int)
        self._paths: dict[int, deque[tuple[float, Box]]] = {}

    def correct(self, view: View) -> View:
        """Beliefs in which whoever holds a thing carries it as far as they both go."""
        if not len(self._carried) or not len(self._held):
            return view
        self._follow(view)
        beliefs = view.frame.beliefs
        probabilities = beliefs.probabilities.copy()
        had = probabilities[:, self._held].max(1)  # (P,)
        pairs = zip(beliefs.human.tolist(), beliefs.object.tolist(), strict=True)
        going = np.array([self._going(*pair) for pair in pairs], np.float32)
        possible = probabilities[:, self._carried] > 0
        probabilities[:, self._carried] = possible * (had * going)[:, None]
        corrected = replace(beliefs, probabilities=probabilities)
        return View(replace(view.frame, beliefs=corrected))

    def _follow(self, view: View) -> None:
        now = view.media
        for number in view.row_of:
            path = self._paths.setdefault(number, deque())
            path.append((now, view.box(number)))
            while now - path[0][0] > self._settings.window_seconds + 1e-6:
                path.popleft()
        gone = [n for n, path in self._paths.items() if now - path[-1][0] > _FORGET_SECONDS]
        for number in gone:
            del self._paths[number]

    def _going(self, human: int, thing: int) -> float:
        """Belief that both go the same way, in [0, 1]."""
        person, carried = self._paths.get(human), self._paths.get(thing)
        if person is None or carried is None or len(person) < 2 or len(carried) < 2:
            return 0.0
        tall = max(box[3] - box[1] for _, box in person)
        speeds = [_velocity(path) / max(tall, 1.0) for path in (person, carried)]
        together = float(min(speeds, key=abs)) if speeds[0] * speeds[1] > 0 else 0.0
        return _logistic((abs(together) - self._settings.walking) / self._settings.spread)


def _velocity(path: Sequence[tuple[float, Box]]) -> float:
    """Of the centre along the picture, pixels a second."""
    (first, start), (last, end) = path[0], path[-1]
    return float((end[0] + end[2] - start[0] - start[2]) / 2 / max(last - first, 1e-6))


def _logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-np.clip(x, -30, 30))))
