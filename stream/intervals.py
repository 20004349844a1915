"""Belief over time to intervals (hold, sit on) and moments (kick, throw), for one camera.

An interval opens at `enter`, is dated back to where the belief crossed one half, and ends where it
last was above one half. A moment is a peak of the belief.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np

from storage.interactions import EndReason, Phase
from storage.smoothing import VerbSmoothing
from stream.sightings import Pair, Sighting, Story, View

_HALF = 0.5
_GAP_SECONDS = 3.0  # without any frame: what was open is over, nobody knows what came between
_UPDATE_SECONDS = 5.0  # how stale the stored end of an open interval may become

Cell = tuple[int, int, int]  # human, object, verb index


class _State(Enum):
    CANDIDATE = auto()  # above one half, not yet sure
    OPEN = auto()
    PAUSED = auto()  # below `leave`; may go on within `merge_seconds`


@dataclass
class _Interval:
    story: Story
    state: _State = _State.CANDIDATE
    told: float = 0.0  # media seconds of the last phase that was given out


@dataclass(frozen=True, eq=False)
class Told:
    """A phase of an event to give out."""

    pair: Pair
    verb: int
    phase: Phase
    story: Story
    reason: EndReason | None = None


class Intervals:
    """The open intervals of one camera."""

    def __init__(self, verbs: Sequence[int], settings: Sequence[VerbSmoothing]) -> None:
        self._verbs = np.array(verbs, int)
        self._settings = settings
        self._cells: dict[Cell, _Interval] = {}
        self._now: float | None = None  # media time of the last frame

    def widen(self, verbs: Sequence[int], settings: Sequence[VerbSmoothing]) -> None:
        """These verbs are listened for, too; `settings` are those of all."""
        self._verbs = np.append(self._verbs, verbs)
        self._settings = settings

    def step(self, view: View) -> list[Told]:
        beliefs = view.frame.beliefs
        told: list[Told] = []
        if self._now is not None and view.media - self._now > _GAP_SECONDS:
            told += self.close(EndReason.TRACK_LOST)
        self._now = view.media
        likely = beliefs.probabilities[:, self._verbs] >= _HALF
        for row, column in zip(*np.nonzero(likely), strict=True):
            cell = int(beliefs.human[row]), int(beliefs.object[row]), int(self._verbs[column])
            if cell not in self._cells:
                score = float(beliefs.probabilities[row, cell[2]])
                if sighting := view.sighting(cell[:2], score):
                    self._cells[cell] = _Interval(Story.begin(sighting))
        for cell in list(self._cells):
            told += self._advance(cell, view)
        return told

    def close(self, reason: EndReason) -> list[Told]:
        """End everything that is open, at the last sighting."""
        told = [
            Told(cell[:2], cell[2], Phase.END, interval.story, reason)
            for cell, interval in self._cells.items()
            if interval.state is not _State.CANDIDATE
        ]
        self._cells.clear()
        return told

    def open(self) -> list[tuple[Cell, Story]]:
        return [
            (cell, interval.story)
            for cell, interval in self._cells.items()
            if interval.state is _State.OPEN
        ]

    def _advance(self, cell: Cell, view: View) -> list[Told]:
        interval, settings = self._cells[cell], self._settings[cell[2]]
        row = view.belief_row(cell[:2])
        if row is None:
            return self._end(cell, EndReason.TRACK_LOST)
        score = float(view.frame.beliefs.probabilities[row, cell[2]])
        sighting = view.sighting(cell[:2], score) if score >= _HALF else None
        if sighting is not None and sighting.media > interval.story.last.media:
            interval.story.add(sighting)
        match interval.state:
            case _State.CANDIDATE:
                return self._consider(cell, interval, settings, score)
            case _State.OPEN if score < settings.leave:
                interval.state = _State.PAUSED
            case _State.PAUSED if score >= settings.enter:
                interval.state = _State.OPEN
        if (
            interval.state is _State.PAUSED
            and view.media - interval.story.last.media >= settings.merge_seconds
        ):
            return self._end(cell, EndReason.ENDED)
        if view.media - interval.told >= _UPDATE_SECONDS and sighting is not None:
            interval.told = view.media
            return [Told(cell[:2], cell[2], Phase.UPDATE, interval.story)]
        return []

    def _consider(
        self, cell: Cell, interval: _Interval, settings: VerbSmoothing, score: float
    ) -> list[Told]:
        if score < _HALF:
            del self._cells[cell]
        elif score >= settings.enter and _length(interval.story) >= settings.min_seconds:
            interval.state = _State.OPEN
            interval.told = interval.story.last.media
            return [Told(cell[:2], cell[2], Phase.START, interval.story)]
        return []

    def _end(self, cell: Cell, reason: EndReason) -> list[Told]:
        interval = self._cells.pop(cell)
        if interval.state is _State.CANDIDATE:
            return []
        return [Told(cell[:2], cell[2], Phase.END, interval.story, reason)]


@dataclass
class _Peak:
    best: Sighting
    fallen_to: float | None = None  # lowest belief since the last peak was given out


class Moments:
    """Peaks of the verbs that happen at a point in time, for one camera."""

    def __init__(self, verbs: Sequence[int], settings: Sequence[VerbSmoothing]) -> None:
        self._verbs = np.array(verbs, int)
        self._settings = settings
        self._cells: dict[Cell, _Peak] = {}

    def step(self, view: View) -> list[Told]:
        beliefs = view.frame.beliefs
        enter = np.array([self._settings[v].enter for v in self._verbs], np.float32)
        told: list[Told] = []
        for row, column in zip(
            *np.nonzero(beliefs.probabilities[:, self._verbs] >= enter), strict=True
        ):
            cell = int(beliefs.human[row]), int(beliefs.object[row]), int(self._verbs[column])
            if cell not in self._cells:
                score = float(beliefs.probabilities[row, cell[2]])
                if sighting := view.sighting(cell[:2], score):
                    self._cells[cell] = _Peak(sighting)
        for cell in list(self._cells):
            told += self._advance(cell, view)
        return told

    def close(self) -> list[Told]:
        """Give out the peaks that were still rising."""
        told = [self._tell(cell, peak) for cell, peak in self._cells.items() if not _given(peak)]
        self._cells.clear()
        return told

    def _advance(self, cell: Cell, view: View) -> list[Told]:
        peak, settings = self._cells[cell], self._settings[cell[2]]
        row = view.belief_row(cell[:2])
        if row is None:
            del self._cells[cell]
            return [] if _given(peak) else [self._tell(cell, peak)]
        score = float(view.frame.beliefs.probabilities[row, cell[2]])
        if peak.fallen_to is not None:
            peak.fallen_to = min(peak.fallen_to, score)
            if score < settings.leave:
                del self._cells[cell]
            elif score >= max(settings.enter, peak.fallen_to + settings.prominence) and (
                sighting := view.sighting(cell[:2], score)
            ):
                self._cells[cell] = _Peak(sighting)
            return []
        if score > peak.best.score:
            peak.best = view.sighting(cell[:2], score) or peak.best
        if score <= peak.best.score - settings.prominence:
            peak.fallen_to = score
            return [self._tell(cell, peak)]
        return []

    def _tell(self, cell: Cell, peak: _Peak) -> Told:
        return Told(cell[:2], cell[2], Phase.END, Story.begin(peak.best), EndReason.ENDED)


def _given(peak: _Peak) -> bool:
    return peak.fallen_to is not None


def _length(story: Story) -> float:
    return story.last.media - story.first.media
