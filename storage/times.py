"""Times in questions: "yesterday after 5 pm", "in the last ten minutes", "between 3 and 4 pm"."""

import calendar
import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

from storage.reading import Reading

UNITS = ("seconds", "minutes", "hours", "days", "weeks")
_SINCE = frozenset(("after", "since", "from"))
_UNTIL = frozenset(("before", "until", "till"))
_FIRST_YEAR = 1970
_INSTANT = timedelta(microseconds=1)
_PARTS = {"morning": (0, 12), "afternoon": (12, 18), "evening": (18, 24), "night": (18, 24)}
_WEEKDAYS = [name.lower() for name in calendar.day_name]
_MONTHS = [name.lower() for name in calendar.month_name]
NUMBERS = {
    **{"a": 1, "an": 1, "one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6},
    **{"seven": 7, "eight": 8, "nine": 9, "ten": 10, "fifteen": 15, "twenty": 20, "thirty": 30},
}


@dataclass(frozen=True)
class Period:
    """From `since` to `until`, both included; None: open."""

    since: datetime | None = None
    until: datetime | None = None


def read_times(
    reading: Reading, now: datetime, zone: tzinfo, day_asked: Period | None = None
) -> Period:
    """Days and clock times are those of the zone; clock times without a day are of `day_asked`, or
    the last such."""
    local = now.astimezone(zone)
    try:
        recent = _recent(reading, local)
        if recent is not None:
            return recent
        day = _read_day(reading, local)
        return _read_clock(reading, local, day or day_asked) or day or Period()
    except OverflowError:  # the year 1, or 10,000: the words stay unexplained
        return Period()


def read_duration(reading: Reading, i: int) -> tuple[timedelta, int] | None:
    """ "10 seconds" or "a minute" at place i, and the place behind it."""
    words = reading.words
    number = _number(words[i]) if i < len(words) else None
    unit = words[i + 1].removesuffix("s") + "s" if i + 1 < len(words) else ""
    if number is None or unit not in UNITS:
        return None
    return timedelta(**{unit: number}), i + 2


def _recent(reading: Reading, local: datetime) -> Period | None:
    """ "last hour", "past 10 minutes"."""
    words = reading.words
    for i in sorted(reading.free):
        if words[i] not in ("last", "past") or i + 1 == len(words):
            continue
        if words[i + 1].removesuffix("s") + "s" in UNITS:
            found = timedelta(**{words[i + 1].removesuffix("s") + "s": 1}), i + 2
        else:
            found = read_duration(reading, i + 1) or (timedelta(), i)
        if found[1] > i:
            since = local - found[0]
            reading.explain(range(i, found[1]), f"since {_shown(since)}")
            return Period(since)
    return None


def _read_day(reading: Reading, local: datetime) -> Period | None:
    for i in sorted(reading.free):
        found = _day_at(reading.words, i, local)
        if found is None:
            continue
        period, end = found
        start = i - 1 if reading.before(i) == "on" else i
        word = reading.before(start)
        if word in _SINCE:
            start, period = start - 1, Period(period.until if word == "after" else period.since)
        elif word in _UNTIL:
            start, period = start - 1, Period(None, _edge(period, before=word == "before"))
        reading.explain(range(start, end), _meaning(period))
        return period
    return None


def _edge(period: Period, *, before: bool) -> datetime | None:
    return period.since if before else period.until


def _day_at(words: list[str], i: int, local: datetime) -> tuple[Period, int] | None:
    """The day or part of one that the words at i say, and the place behind them."""
    today, zone = local.date(), local.tzinfo
    word, after = words[i], words[i + 1] if i + 1 < len(words) else ""
    if word in ("today", "yesterday"):
        day = today - timedelta(days=word == "yesterday")
        if after in _PARTS:
            return _part(day, _PARTS[after], zone), i + 2
        return _part(day, (0, 24), zone), i + 1
    if word == "tonight" or (word == "this" and after in _PARTS):
        return _part(today, _PARTS.get(after, (18, 24)), zone), i + (1 if word == "tonight" else 2)
    if word == "last" and after == "night":
        return _part(today - timedelta(days=1), (18, 30), zone), i + 2
    named = after if word == "last" else word  # "last monday" is "monday"
    if named in _WEEKDAYS:
        back = (today.weekday() - _WEEKDAYS.index(named) - 1) % 7 + 1
        return _part(today - timedelta(days=back), (0, 24), zone), i + (2 if word == "last" else 1)
    found = _date_at(words, i, today)
    return None if found is None else (_part(found[0], (0, 24), zone), found[1])


def _date_at(words: list[str], i: int, today: date) -> tuple[date, int] | None:
    """`2026-11-20`, `20 november`, `november 20`; without a year the last such day."""
    try:
        if re.fullmatch(r"\d{4}-\d\d-\d\d", words[i], re.ASCII):
            day = date.fromisoformat(words[i])
            return (day, i + 1) if day.year >= _FIRST_YEAR else None
        pair = words[i : i + 2]
        month = next((_MONTHS.index(word) for word in pair if word in _MONTHS), 0)
        days = (re.fullmatch(r"(\d{1,2})(?:st|nd|rd|th)?", word, re.ASCII) for word in pair)
        number = next((day for day in days if day), None)
        if not month or number is None:
            return None
        day = date(today.year, month, int(number[1]))
        return (day if day <= today else day.replace(year=today.year - 1)), i + 2
    except ValueError:
        return None


def _part(day: date, hours: tuple[int, int], zone: tzinfo | None) -> Period:
    return Period(_at(day, hours[0], zone), _at(day, hours[1], zone) - _INSTANT)


def _at(day: date, hour: int, zone: tzinfo | None) -> datetime:
    return datetime.combine(day + timedelta(days=hour // 24), time(hour % 24), zone)


def _read_clock(reading: Reading, local: datetime, day: Period | None) -> Period | None:
    """ "after 5 pm", "between 3 and 4 pm", "at 17:05"."""
    words = reading.words
    base = (day.since or day.until) if day is not None else None
    for i in sorted(reading.free):
        if words[i] == "between":
            found = _between(words, i, local, base)
        elif words[i] in _SINCE | _UNTIL | {"at"}:
            found = _one_clock(words, i, local, base)
        else:
            continue
        if found is not None:
            period, end = found
            if day is not None:
                period = Period(period.since or day.since, period.until or day.until)
            reading.explain(range(i, end), _meaning(period))
            return period
    return None


def _between(
    words: list[str], i: int, local: datetime, base: datetime | None
) -> tuple[Period, int] | None:
    late = next((k for k in range(i + 2, min(i + 5, len(words))) if words[k] == "and"), None)
    second = None if late is None else _clock_at(words, late + 1)
    if late is None or second is None:
        return None
    first = _first_clock(words[i + 1 : late], words[late + 1 : second[1]], second[0])
    if first is None:
        return None
    since = _on(first, local, base)
    until = datetime.combine(since.date(), second[0], since.tzinfo)
    return Period(since, until if until >= since else until + timedelta(days=1)), second[1]


def _first_clock(said: list[str], said_second: list[str], second: time) -> time | None:
    """ "11" of "between 11 and 1 pm" is in the half of the day that makes the time the shorter."""
    halves = ["", "am", "pm"]
    if len(said) > 1 or not said[0][-1].isdecimal():
        halves = [*said[1:], ""][:1]
    elif re.fullmatch(r"\d{1,2}[:.]\d\d", said_second[-1], re.ASCII):
        halves = [""]  # "between 9 and 17:30"
    hour = f"{said[0]}:00" if said[0].isdecimal() else said[0]
    found = [told[0] for half in halves if (told := _clock_at([hour + half], 0)) is not None]
    return min(found, key=lambda clock: (_minutes(second) - _minutes(clock)) % 1440, default=None)


def _minutes(clock: time) -> int:
    return 60 * clock.hour + clock.minute


def _one_clock(
    words: list[str], i: int, local: datetime, base: datetime | None
) -> tuple[Period, int] | None:
    found = _clock_at(words, i + 1)
    if found is None:
        return None
    moment = _on(found[0], local, base)
    if words[i] in _SINCE:
        return Period(moment), found[1]
    if words[i] in _UNTIL:
        return Period(None, moment), found[1]
    length = timedelta(minutes=1) if moment.minute else timedelta(hours=1)
    return Period(moment, moment + length - _INSTANT), found[1]


def _on(clock: time, local: datetime, base: datetime | None) -> datetime:
    if base is not None:
        return datetime.combine(base.date(), clock, base.tzinfo)
    moment = datetime.combine(local.date(), clock, local.tzinfo)
    if moment <= local:
        return moment
    return datetime.combine(local.date() - timedelta(days=1), clock, local.tzinfo)


def _clock_at(words: list[str], i: int) -> tuple[time, int] | None:
    """`5 pm`, `5pm`, `5:30 pm`, `17:05`, `noon`, `midnight`; a bare number is none."""
    word = words[i] if i < len(words) else ""
    if word in ("noon", "midnight"):
        return time(12 if word == "noon" else 0), i + 1
    found = re.fullmatch(r"(\d{1,2})(?:[:.](\d\d))?(am|pm|a\.m|p\.m)?", word, re.ASCII)
    if found is None:
        return None
    hour, minute, half, end = int(found[1]), int(found[2] or 0), found[3], i + 1
    if half is None and end < len(words) and words[end] in ("am", "pm", "a.m", "p.m"):
        half, end = words[end], end + 1
    if minute > 59 or hour > 23 or (half is None and found[2] is None):
        return None
    if half is not None:
        if not 1 <= hour <= 12:
            return None
        hour = hour % 12 + (12 if half[0] == "p" else 0)
    return time(hour, minute), end


def _number(word: str) -> int | None:
    if re.fullmatch(r"[0-9]{1,4}", word):
        return int(word)
    return NUMBERS.get(word)


def _meaning(period: Period) -> str:
    since = f"from {_shown(period.since)}" if period.since else ""
    until = f"until {_shown(period.until)}" if period.until else ""
    return f"{since} {until}".strip()


def _shown(moment: datetime) -> str:
    if moment.microsecond:
        moment = moment + _INSTANT
    return f"{moment:%Y-%m-%d %H:%M:%S %Z}"
