"""When an alert is held back: quiet hours by the clock on the wall, and the time after another."""

import re
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from storage.errors import StorageError

_SPAN = re.compile(r"\s*(\d{1,2}):(\d\d)\s*-\s*(\d{1,2}):(\d\d)\s*", re.ASCII)


class AlertError(StorageError):
    """A standing question or a channel cannot be as it is wanted; the message says why."""


@dataclass(frozen=True)
class QuietHours:
    """Spans of the day in a zone: from the first minute, up to the second; over midnight, too.

    They follow the clock on the wall. An hour that comes twice is quiet twice.
    """

    spans: tuple[tuple[time, time], ...] = ()
    zone: str = "UTC"

    @classmethod
    def parse(cls, text: str, zone: str = "UTC") -> "QuietHours":
        """`22:00-07:00, 12:00-13:00`, or nothing; raises `AlertError`."""
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError, OSError) as error:
            raise AlertError(
                f"there is no time zone {zone!r}: write one as Europe/Berlin"
            ) from error
        parts = text.split(",") if text.strip() else []
        return cls(tuple(_span(part) for part in parts), zone)

    def __str__(self) -> str:
        return ", ".join(f"{start:%H:%M}-{end:%H:%M}" for start, end in self.spans)

    def contains(self, moment: datetime) -> bool:
        now = moment.astimezone(ZoneInfo(self.zone)).time().replace(fold=0)
        return any(
            start <= now < end if start < end else now >= start or now < end
            for start, end in self.spans
        )


def held_back(
    now: datetime, *, last: datetime | None, cooldown: timedelta, quiet: QuietHours
) -> str | None:
    """Why nobody is told just now, None: they are; `last`: when they were told before."""
    if quiet.contains(now):
        return f"quiet hours {quiet} {quiet.zone}"
    if last is not None and now - last < cooldown:
        return f"cool-down until {last + cooldown:%Y-%m-%d %H:%M:%S} UTC"
    return None


def _span(text: str) -> tuple[time, time]:
    found = _SPAN.fullmatch(text)
    try:
        if found is None:
            raise ValueError("not two times")
        hour, minute, last_hour, last_minute = map(int, found.groups())
        start, end = time(hour, minute), time(last_hour % 24, last_minute)
    except ValueError as error:
        raise AlertError(f"quiet hours {text.strip()!r}: write 22:00-07:00") from error
    if last_hour > 24 or (last_hour == 24 and last_minute) or start == end:
        raise AlertError(f"quiet hours {text.strip()!r}: write 22:00-07:00")
    return start, end
