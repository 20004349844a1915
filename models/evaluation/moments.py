"""Spans of time around a happening, as people say them."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from models.evaluation.diary import Happening


@dataclass(frozen=True)
class Span:
    """Words, and the seconds since 1970 that they mean."""

    said: str
    since: float
    until: float


def some_span(rng: random.Random, one: Happening, now: datetime) -> Span:
    """One in which the happening was; `now` is when it is said."""
    when = datetime.fromtimestamp(one.start, UTC)
    day = when.replace(hour=0, minute=0, second=0, microsecond=0)
    name = "today" if day.date() == now.date() else "yesterday"
    return rng.choice((_day, _part, _after, _before, _between, _on_date, _minute))(
        rng, when, day, name
    )


def _day(rng: random.Random, _: datetime, day: datetime, name: str) -> Span:
    return _span(rng.choice((name, f"{name}")), day, day + timedelta(days=1))


def _part(_: random.Random, when: datetime, day: datetime, name: str) -> Span:
    noon = day + timedelta(hours=12)
    part = "morning" if when < noon else "afternoon"
    said = f"this {part}" if name == "today" else f"{name} {part}"
    if part == "morning":
        return _span(said, day, noon)
    return _span(said, noon, day + timedelta(hours=18))


def _after(rng: random.Random, when: datetime, day: datetime, name: str) -> Span:
    since = when.replace(minute=0, second=0, microsecond=0)
    clock = f"after {_clock(rng, since)}"
    said = rng.choice((f"{name} {clock}", f"{clock} {name}"))
    return _span(said, since, day + timedelta(days=1))


def _before(rng: random.Random, when: datetime, day: datetime, name: str) -> Span:
    until = when.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return _span(f"{name} before {_clock(rng, until)}", day, until)


def _between(rng: random.Random, when: datetime, _: datetime, name: str) -> Span:
    since = when.replace(minute=0, second=0, microsecond=0)
    until = since + timedelta(hours=rng.choice((1, 2)))
    said = f"between {since:%H:%M} and {until:%H:%M}"
    return _span(rng.choice((f"{name} {said}", f"{said} {name}")), since, until)


def _on_date(rng: random.Random, when: datetime, day: datetime, _: str) -> Span:
    said = rng.choice(
        (
            f"on {when:%A}",
            f"on {when:%B} {when.day}",
            f"on {when.day} {when:%B}",
            f"{when:%Y-%m-%d}",
        )
    )
    return _span(said, day, day + timedelta(days=1))


def _minute(_: random.Random, when: datetime, __: datetime, name: str) -> Span:
    since = when.replace(second=0, microsecond=0)
    return _span(f"{name} at {since:%H:%M}", since, since + timedelta(minutes=1))


def _span(said: str, since: datetime, until: datetime) -> Span:
    return Span(said, since.timestamp(), until.timestamp())


def _clock(rng: random.Random, when: datetime) -> str:
    hour = when.hour % 12 or 12
    half = "am" if when.hour < 12 else "pm"
    return rng.choice((f"{hour} {half}", f"{hour}{half}", f"{when:%H:%M}"))
