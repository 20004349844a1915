"""The time zone of this machine, by its rules: in winter, too, a day of July has summer time."""

import os
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_LINK = "/etc/localtime"  # to .../zoneinfo/Europe/Berlin


def local_zone() -> tzinfo:
    """By `TZ`, else as the system is set up; where neither names a zone, as the clock is today."""
    name = os.environ.get("TZ", "").removeprefix(":")
    if not name:
        name = os.path.realpath(_LINK).rpartition("zoneinfo/")[2]
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return datetime.now(UTC).astimezone().tzinfo or UTC
