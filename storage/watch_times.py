"""How long cameras were watched: what "a day" means where false alarms are counted by the day.

A live camera is watched as long as a run has it, whether something happens or not, a recording from
the first to the last that is stored of it. Where no run is known, a camera was watched for five
minutes around everything that is stored: a longer pause may be one in which it was off.
"""

from collections.abc import Collection
from datetime import datetime

import numpy as np
import numpy.typing as npt
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from storage.tables import CameraRow, PairVectorRow, RunRow

Spans = npt.NDArray[np.float64]  # (n, 2) seconds since 1970: from and until, in any order
Floats = npt.NDArray[np.float64]

_AROUND = 300.0  # seconds around what is stored
_DEVICE = "/dev/"


def watched(at: Floats, told: Spans, inside: Spans | None = None) -> float:
    """Seconds that any camera was watched, as far as they lie `inside` (None: wherever).

    `at` (n,): times of what is stored, `told`: what runs tell.
    """
    seen = np.stack([at - _AROUND, at + _AROUND], axis=1)
    if inside is None:
        seen = np.clip(seen, at.min(), at.max()) if len(at) else seen
        return _length(np.concatenate([seen, told]))
    both = np.concatenate([seen, told])
    return _length(both) + _length(inside) - _length(np.concatenate([both, inside]))


def _length(spans: Spans) -> float:
    """Of their union."""
    if not len(spans):
        return 0.0
    ordered = spans[np.argsort(spans[:, 0])]
    reached = np.maximum.accumulate(ordered[:, 1])
    before = np.concatenate([ordered[:1, 0], reached[:-1]])
    return float(np.maximum(reached - np.maximum(ordered[:, 0], before), 0.0).sum())


def watches(session: Session, bundle: str, cameras: Collection[str]) -> Spans:
    """When runs of the bundle watched any of the cameras."""
    row = CameraRow
    named = select(row.name, row.source).where(row.name.in_(sorted(cameras)))
    sources = dict(session.execute(named).tuples().all())
    live = frozenset(source for source in sources.values() if _is_live(source))
    recorded = [name for name, source in sources.items() if not _is_live(source)]
    spans = [*_runs(session, bundle, live), *(_stored(session, bundle, one) for one in recorded)]
    told = [(since.timestamp(), until.timestamp()) for since, until in spans if since and until]
    return np.array(told, np.float64).reshape(-1, 2)


def _is_live(source: str) -> bool:
    return "://" in source or source.startswith(_DEVICE)


def _runs(
    session: Session, bundle: str, sources: frozenset[str]
) -> list[tuple[datetime, datetime | None]]:
    """From their beginning to their end; what never ended, as long as something came of it."""
    row = RunRow
    query = select(row.started_at, row.ended_at, row.sources).where(row.bundle == bundle)
    runs = [
        (began, ended)
        for began, ended, said in session.execute(query.order_by(row.started_at)).tuples()
        if not sources.isdisjoint(said.splitlines())
    ]
    following = [*(began for began, _ in runs), None][1:]
    return [
        (began, ended or _last_before(session, bundle, began, after))
        for (began, ended), after in zip(runs, following, strict=True)
    ]


def _last_before(
    session: Session, bundle: str, began: datetime, after: datetime | None
) -> datetime | None:
    row = PairVectorRow
    stored = [row.bundle == bundle, row.taken_at >= began]
    if after is not None:
        stored.append(row.taken_at < after)
    return session.scalar(select(func.max(row.taken_at)).where(*stored))


def _stored(session: Session, bundle: str, camera: str) -> tuple[datetime | None, datetime | None]:
    """First and last of a camera."""
    row = PairVectorRow
    own = row.bundle == bundle, row.camera == camera
    first, last = (
        session.scalar(select(f(row.taken_at)).where(*own)) for f in (func.min, func.max)
    )
    return first, last
