"""Places and times that are not meant: "but not at the gate", "except yesterday after 5 pm"."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo

from storage.question import Exclusion
from storage.reading import Reading, read_camera
from storage.times import Period, read_times
from storage.words import AUXILIARIES, DETERMINERS, PREPOSITIONS

_NOT = frozenset(("not", "except"))
_OR = frozenset(("or", "and", "nor"))
_DAY = timedelta(hours=25)  # the longest


@dataclass(frozen=True)
class When:
    """The time of who asks, if it is known, and the names of cameras."""

    now: datetime | None
    zone: tzinfo
    cameras: Collection[str]

    def times(self, reading: Reading, day_asked: Period | None = None) -> Period:
        if self.now is None:
            return Period()
        return read_times(reading, self.now, self.zone, day_asked)


def read_period(
    reading: Reading, commas: frozenset[int], when: When
) -> tuple[Period, tuple[Exclusion, ...]]:
    """The time that is meant, and what is not; "yesterday, not after 5 pm" is of one day."""
    meant = Reading(reading.words, set(reading.free))
    _read_exclusions(meant, commas, when, None)  # whose words are not those of the time meant
    others = set(meant.free)
    meant = Reading(reading.words, set(others), meanings=reading.meanings)
    period = when.times(meant)
    reading.free -= others - meant.free
    whole = period.since is None or period.until is None or period.until - period.since > _DAY
    return period, _read_exclusions(reading, commas, when, None if whole else period)


def _read_exclusions(
    reading: Reading, commas: frozenset[int], when: When, day: Period | None
) -> tuple[Exclusion, ...]:
    """ "Was not at the gate" is none."""
    found = []
    for i in sorted(reading.free):
        if reading.words[i] not in _NOT or reading.before(i) in AUXILIARIES:
            continue
        start = i - 1 if reading.before(i) in ("but", "and") else i
        after = i  # the "not", or the "or" behind it
        while after in reading.free:
            stop = min((k for k in commas if k > after), default=len(reading.words))
            read = _read_at(reading, after + 1, stop, when, day)
            if read is None:
                break
            excluded, end, told = read
            found.append(excluded)
            reading.explain(range(start, end), f"not {told}")
            is_or = end < len(reading.words) and reading.words[end] in _OR
            start = after = end if is_or else -1
    return tuple(found)


def _read_at(
    reading: Reading, start: int, stop: int, when: When, day: Period | None
) -> tuple[Exclusion, int, str] | None:
    """The camera and time that stand at `start`, the place behind them, and how they read."""
    part = Reading(reading.words, {i for i in reading.free if start <= i < stop})
    period = when.times(part, day)
    camera = read_camera(part, when.cameras)
    told = {place for meaning in part.meanings for place in meaning.places}
    if not told:
        return None
    end = start
    while end < stop and (end in told or reading.words[end] in PREPOSITIONS | DETERMINERS):
        end += 1
    if max(told) >= end:  # further on, behind other words
        return _read_at(reading, start, end, when, day)
    text = " ".join(meaning.text for meaning in part.meanings)
    return Exclusion(camera, period.since, period.until), max(told) + 1, text
