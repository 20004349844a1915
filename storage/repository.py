"""All SQL over interactions, as functions of a session; the caller commits."""

import uuid
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Unpack

from sqlalchemy import ColumnElement, Select, case, func, literal, or_, select, union_all
from sqlalchemy.orm import Session

from storage.filters import Filters, branches_of, number_of, time_of
from storage.interactions import EndReason, Interaction, Kind, Phase, Rivals
from storage.names import verbs_seen
from storage.run_rows import Run
from storage.tables import OPEN, InteractionRow, Vector
from storage.upserts import insert_into

_COLUMNS = tuple(column.name for column in InteractionRow.__table__.columns)
_SHARED = tuple(name for name in _COLUMNS if name != "human_number")
_PLAIN = tuple(name for name in _SHARED if name != "vector")
_KEPT = (
    "vector",
    "rivals",
    "snapshot",
    "clip",
    "clip_peak",
)  # a later phase without them does not take them away
MOST_COUNTED = 10_000


def events_of_run(session: Session, *, run: Run, camera: str) -> Sequence[Interaction]:
    """What bundle and settings of that run saw of the camera, oldest first."""
    row = InteractionRow
    query = select(row).where(
        row.camera == camera,
        row.bundle == run.bundle,
        row.config == run.config,
        row.phase == Phase.END,
    )
    return _interactions(session, query.order_by(row.started_at, row.id))


def add_interactions(session: Session, *, interactions: Sequence[Interaction]) -> None:
    """Insert or bring forward, in any order, any number of times: a later phase wins."""
    if not interactions:
        return
    insert = insert_into(session, InteractionRow)
    new = insert.excluded
    rank, new_rank = (
        _rank(InteractionRow.phase, InteractionRow.end_reason),
        _rank(new.phase, new.end_reason),
    )
    statement = insert.on_conflict_do_update(
        index_elements=["id"],
        set_={
            name: func.coalesce(new[name], getattr(InteractionRow, name))
            if name in _KEPT
            else new[name]
            for name in _COLUMNS
            if name != "id"
        },
        where=or_(
            new_rank > rank,
            (new_rank == rank) & (new.ended_at >= InteractionRow.ended_at),
        ),
    )
    rows = [_to_row(interaction) for interaction in interactions]
    session.connection().execute(statement, rows)  # not by the mapper, which looks at every row


def find_interactions(
    session: Session, *, limit: int = 100, offset: int = 0, **filters: Unpack[Filters]
) -> Sequence[Interaction]:
    """Newest first, or oldest; open events included. Lists come without vectors, here and below."""
    row = InteractionRow
    upwards = filters.get("oldest_first", False)
    order = (row.started_at if upwards else row.started_at.desc()), row.id
    branches = branches_of(session, **filters)
    query = select(row).where(*branches[0])
    if len(branches) > 1:
        last = time_of(session, branches, rank=limit + offset, upwards=upwards)
        near = row.started_at <= last if upwards else row.started_at >= last
        every = union_all(*(select(row.id).where(*branch, near) for branch in branches))
        query = select(row).where(row.id.in_(every))
    return _interactions(session, query.order_by(*order).limit(limit).offset(offset))


def count_interactions(
    session: Session, *, most: int = MOST_COUNTED, **filters: Unpack[Filters]
) -> int:
    """Not beyond `most`: nobody waits for ten million rows to be counted."""
    parts = [
        select(literal(1).label("one"))
        .select_from(InteractionRow)
        .where(*branch)
        .limit(most)
        .subquery()
        for branch in branches_of(session, **filters)
    ]
    every = union_all(*(select(part.c.one) for part in parts)).subquery()
    some = select(every.c.one).limit(most).subquery()
    return session.execute(select(func.count()).select_from(some)).scalar_one()


def count_by_verb(
    session: Session, *, most: int = MOST_COUNTED, since: datetime | None = None
) -> dict[str, int]:
    """Verb to number of interactions, none beyond `most`; most frequent first."""
    counts = {
        verb: count_interactions(session, most=most, verbs=[verb], since=since)
        for verb in verbs_seen(session)
    }
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def latest(session: Session, *, limit: int = 20) -> Sequence[Interaction]:
    """What was last seen, newest first, open events included."""
    query = select(InteractionRow).order_by(InteractionRow.ended_at.desc(), InteractionRow.id)
    return _interactions(session, query.limit(limit))


def oldest(session: Session) -> datetime | None:
    """When the first interaction began."""
    return session.execute(select(func.min(InteractionRow.started_at))).scalar()


def get_interaction(session: Session, *, id: uuid.UUID) -> Interaction | None:
    row = session.get(InteractionRow, id)
    return None if row is None else _to_interaction(row)


def open_interactions(
    session: Session, *, cameras: Collection[str] | None = None
) -> Sequence[Interaction]:
    """Interactions without an end; all cameras when none is named."""
    query = select(InteractionRow).where(OPEN)
    if cameras is not None:
        query = query.where(InteractionRow.camera.in_(cameras))
    return _interactions(session, query.order_by(InteractionRow.started_at, InteractionRow.id))


def close_crashed(
    session: Session, *, cameras: Collection[str] | None = None
) -> Sequence[Interaction]:
    """End what a dead run left open, at the last time it was observed, and return it.

    Name the cameras of this run: those of other runs may well be alive.
    """
    closed = [
        replace(interaction, phase=Phase.END, end_reason=EndReason.CRASH)
        for interaction in open_interactions(session, cameras=cameras)
    ]
    add_interactions(session, interactions=closed)
    return closed


def _rank(phase: Any, end_reason: Any) -> ColumnElement[int]:
    """How final a phase is; an end that was seen replaces one that a crash made necessary."""
    return case(
        (phase == Phase.START, 0),
        (phase == Phase.UPDATE, 1),
        (end_reason == EndReason.CRASH, 2),
        else_=3,
    )


def _interactions(session: Session, query: Select[InteractionRow]) -> list[Interaction]:
    """Without vectors, and not by the mapper: lists are long, and someone waits for them."""
    columns = [InteractionRow.__table__.c[name] for name in _PLAIN]
    rows = session.execute(query.with_only_columns(*columns))
    return [_of_values(dict(zip(_PLAIN, row, strict=True)), None) for row in rows]


def _to_row(interaction: Interaction) -> dict[str, Any]:
    row = {name: getattr(interaction, name) for name in _SHARED}
    row["human_number"] = number_of(interaction.human_track)
    for name in ("human_box", "object_box"):  # plain floats: JSON knows none of numpy's
        row[name] = [float(edge) for edge in row[name]]
    for name in ("media_start", "media_end", "mean_score", "peak_score", "peak_at"):
        row[name] = float(row[name])
    row["rivals"] = None if interaction.rivals is None else interaction.rivals.to_dict()
    return row


def _to_interaction(row: InteractionRow) -> Interaction:
    return _of_values({name: getattr(row, name) for name in _PLAIN}, row.vector)


def _of_values(values: dict[str, Any], vector: Vector | None) -> Interaction:
    """From columns by name."""
    end_reason, rivals = values["end_reason"], values["rivals"]
    values["kind"], values["phase"] = Kind(values["kind"]), Phase(values["phase"])
    for name in ("human_box", "object_box"):
        values[name] = tuple(values[name])
    values["end_reason"] = EndReason(end_reason) if end_reason else None
    values["rivals"] = None if rivals is None else Rivals.from_dict(rivals)
    return Interaction(**values, vector=vector)
