"""How far a question over stored vectors looks: no further than anybody waits for.

A year of video has hundreds of millions of vectors, and a verb that nobody configured is asked of
each. The newest are looked at, or the oldest where the first of something is asked for, all of
these exactly; the answer says where that ends.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, asc, desc, select, union_all
from sqlalchemy.orm import Session

from storage.filters import Filters, number_of
from storage.tables import PairVectorRow

# Vectors. By what fewer took, two million were never filled: 13 s of SQLite's time, 4 of
# PostgreSQL's, and half a gigabyte.
MOST_READ = 2_000_000


@dataclass(frozen=True)
class Horizon:
    """Everything from `since` to `until` was looked at; None: as far as was asked."""

    samples: int  # vectors of pairs that were looked at, of each bundle
    since: datetime | None = None
    until: datetime | None = None
    any_camera: bool = True  # of one camera there may be fewer

    def __str__(self) -> str:
        looked, further = list[str](), list[str]()
        if self.since is not None:
            looked.append(f"newest {self.samples:,} samples, back to {_told(self.since)}")
            further.append("an earlier end (until)")
        if self.until is not None:
            looked.append(f"oldest {self.samples:,} samples, up to {_told(self.until)}")
            further.append("a later start (since)")
        for_more = f"for more ask with {' or '.join(further)}"
        if self.any_camera:
            for_more += ", or of one camera"
        return f"looked at the {', the '.join(looked)}; {for_more}"

    def narrowed(self, filters: Filters) -> Filters:
        """The filters of what is looked at."""
        found: Filters = {**filters}
        if self.since is not None:
            found["since"] = self.since
        if self.until is not None:
            found["until"] = self.until
        return found

    def and_(self, other: "Horizon | None") -> "Horizon":
        """What both have looked at."""
        if other is None:
            return self
        starts = [one.since for one in (self, other) if one.since is not None]
        ends = [one.until for one in (self, other) if one.until is not None]
        any_camera = self.any_camera and other.any_camera
        return Horizon(self.samples, max(starts, default=None), min(ends, default=None), any_camera)


def find_horizon(
    session: Session, bundle: str, filters: Filters, *, most: int | None = None
) -> Horizon | None:
    """Of `most` vectors, else of `MOST_READ`, counted by an index alone; None: there are no more.

    Of the filters those are counted that an index has; what else they say, colours say, is looked
    for among these.
    """
    most = MOST_READ if most is None else most
    upwards = filters.get("oldest_first", False)
    reads = [
        select(PairVectorRow.taken_at).where(*conditions)
        for conditions in _indexed(bundle, filters)
    ]
    # Each has an index in this order: they are merged, and nothing is sorted.
    nearest = union_all(*reads).order_by(asc("taken_at") if upwards else desc("taken_at"))
    ends = session.scalars(nearest.offset(most - 1).limit(2)).all()
    if len(ends) < 2:
        return None
    since, until = (None, ends[0]) if upwards else (ends[0], None)
    return Horizon(most, since, until, any_camera=filters.get("camera") is None)


def _indexed(bundle: str, filters: Filters) -> Sequence[list[ColumnElement[bool]]]:
    """Conditions of one index: of the person, else the camera, else each class of things."""
    row = PairVectorRow
    common = [row.bundle == bundle]
    if (since := filters.get("since")) is not None:
        common.append(row.taken_at >= since)
    if (until := filters.get("until")) is not None:
        common.append(row.taken_at <= until)
    human, person = filters.get("human"), filters.get("person")
    if human is not None or person is not None:
        number = person if human is None else number_of(human)
        return [[*common, row.human_number == number]]
    if (camera := filters.get("camera")) is not None:
        return [[*common, row.camera == camera]]
    if classes := filters.get("object_classes"):
        return [[*common, row.object_class == name] for name in sorted(classes)]
    return [common]


def _told(time: datetime) -> str:
    return time.isoformat(" ", "seconds")
