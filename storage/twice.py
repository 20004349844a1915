"""One video watched twice: what two bundles or configurations tell of it is stored beside each
other, for it can be compared, and is found twice by whoever asks."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from storage.interactions import Interaction

_APART = timedelta(seconds=1)  # by which two bundles may see the same begin or end

Viewer = tuple[str, str]  # bundle and configuration


def viewers_of_the_same(told: Iterable[Interaction]) -> set[Viewer]:
    """Those that tell the same of a camera at the same time; empty: nothing is told twice."""
    same: defaultdict[tuple[str, str, str], list[Interaction]] = defaultdict(list)
    for one in told:
        same[one.camera, one.verb, one.object_class].append(one)
    found: set[Viewer] = set()
    for ones in same.values():
        last: dict[Viewer, datetime] = {}  # ends
        for one in sorted(ones, key=lambda one: one.started_at):
            mine = one.bundle, one.config
            others = {
                viewer
                for viewer, end in last.items()
                if viewer != mine and end + _APART >= one.started_at
            }
            found |= {mine, *others} if others else set()
            last[mine] = max(one.ended_at, last.get(mine, one.ended_at))
    return found
