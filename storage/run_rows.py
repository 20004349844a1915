"""All SQL over runs and their cameras, as functions of a session; the caller commits."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from storage.tables import CameraRow, RunRow
from storage.upserts import insert_into


@dataclass(frozen=True)
class Run:
    """One start of the program."""

    id: uuid.UUID
    started_at: datetime
    ended_at: datetime | None  # None: it goes on, or it died
    sources: tuple[str, ...]
    bundle: str
    config: str


def start_run(
    session: Session,
    *,
    sources: Mapping[str, str],
    bundle: str,
    config: str,
    started_at: datetime,
) -> uuid.UUID:
    """`sources`: where each camera's video comes from, without credentials."""
    row = RunRow(
        id=uuid.uuid4(),
        started_at=started_at,
        sources="\n".join(sources.values()),
        bundle=bundle,
        config=config,
    )
    session.add(row)
    session.flush()
    insert = insert_into(session, CameraRow)
    statement = insert.on_conflict_do_update(
        index_elements=["name"],
        set_={"source": insert.excluded.source, "last_run_at": insert.excluded.last_run_at},
    )
    seen = {"first_run_at": started_at, "last_run_at": started_at}
    rows = [{"name": name, "source": source, **seen} for name, source in sources.items()]
    if rows:
        session.connection().execute(statement, rows)
    return row.id


def cameras_run(session: Session) -> list[str]:
    """All that a run has had, whether anything was seen there or not."""
    return list(session.scalars(select(CameraRow.name).order_by(CameraRow.name)))


def finish_run(
    session: Session, *, run: uuid.UUID, ended_at: datetime, summary: Mapping[str, Any] | None
) -> None:
    session.execute(
        update(RunRow)
        .where(RunRow.id == run)
        .values(ended_at=ended_at, summary=None if summary is None else dict(summary))
    )


def recent_runs(session: Session, *, limit: int = 20) -> list[Run]:
    """Newest first."""
    query = select(RunRow).order_by(RunRow.started_at.desc()).limit(limit)
    return [_to_run(row) for row in session.scalars(query)]


def find_run(session: Session, *, prefix: str) -> Run | None:
    """The only one whose id begins so."""
    plain = prefix.replace("-", "").lower()
    ids = [id_ for id_ in session.scalars(select(RunRow.id)) if id_.hex.startswith(plain)]
    row = session.get(RunRow, ids[0]) if len(ids) == 1 and plain else None
    return None if row is None else _to_run(row)


def _to_run(row: RunRow) -> Run:
    sources = tuple(row.sources.splitlines())
    return Run(row.id, row.started_at, row.ended_at, sources, row.bundle, row.config)
