"""Which stored vectors can matter to a moment, found inside PostgreSQL: nothing else is fetched.

What is told of a pair is a mean over a second before and after (`storage.windows`), which is never
above the greatest score in it. Only what is within two seconds of a score above the threshold can
therefore be part of a moment, or of a mean that makes one.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Double,
    Integer,
    Select,
    Text,
    cast,
    column,
    func,
    literal,
    or_,
    select,
    true,
    type_coerce,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from storage.filters import number_of
from storage.tables import InteractionRow, PairVectorRow, UtcDateTime
from storage.windows import SMOOTH_SECONDS

VectorTable = type[PairVectorRow] | type[InteractionRow]
Conditions = Sequence[ColumnElement[bool]]

MOST_HOPEFUL = 20_000  # rows above the threshold; with more, all that pass are fetched
_NEAR = timedelta(seconds=2 * SMOOTH_SECONDS + 0.001)  # doubles of seconds since 1970 round


@dataclass(frozen=True)
class Stretch:
    """Of one pair, from when to when."""

    camera: str
    human: str
    thing: str
    since: datetime
    until: datetime


def find_stretches(
    session: Session,
    reads: Sequence[tuple[VectorTable, Conditions]],
    prototypes: npt.NDArray[np.floating[Any]],
    floors: npt.NDArray[np.floating[Any]],
) -> list[Stretch] | None:
    """Around every row whose product with a prototype (V, D) reaches its floor (V,), each time of
    a pair once. None: there are too many."""
    hopeful = set[tuple[str, str, str, datetime]]()
    for table, conditions in reads:
        reached = (
            product(table, prototype) >= floor
            for prototype, floor in zip(prototypes, floors.tolist(), strict=True)
        )
        query = select(table.camera, table.human_track, table.object_track, moment_of(table))
        query = query.where(*conditions, or_(*reached)).limit(MOST_HOPEFUL + 1)
        hopeful.update(session.connection().execute(query).tuples())
        if len(hopeful) > MOST_HOPEFUL:
            return None
    return _joined(sorted(hopeful))


def _joined(hopeful: Iterable[tuple[str, str, str, datetime]]) -> list[Stretch]:
    """In the order of pairs and time; stretches of a pair that touch are one."""
    found: list[Stretch] = []
    for camera, human, thing, moment in hopeful:
        since, until = moment - _NEAR, moment + _NEAR
        last = found[-1] if found else None
        if last is not None and (last.human, last.thing) == (human, thing) and since <= last.until:
            found[-1] = replace(last, until=until)
        else:
            found.append(Stretch(camera, human, thing, since, until))
    return found


def within(query: Select[Any], table: VectorTable, stretches: Sequence[Stretch]) -> Select[Any]:
    """Of these rows only those of the stretches, each once; indices have camera and person."""
    texts, times = ARRAY(Text), ARRAY(UtcDateTime)
    near = (
        func.unnest(
            literal([one.camera for one in stretches], texts),
            literal([number_of(one.human) for one in stretches], ARRAY(Integer)),
            literal([one.human for one in stretches], texts),
            literal([one.thing for one in stretches], texts),
            literal([one.since for one in stretches], times),
            literal([one.until for one in stretches], times),
        )
        .table_valued(
            column("camera", Text),
            column("number", Integer),
            column("human", Text),
            column("thing", Text),
            column("since", UtcDateTime),
            column("until", UtcDateTime),
        )
        .render_derived("near")
    )
    each = query.where(
        table.camera == near.c.camera,
        table.human_number == near.c.number,
        table.human_track == near.c.human,
        table.object_track == near.c.thing,
        moment_of(table).between(near.c.since, near.c.until),
    )
    # OFFSET 0 keeps the planner, who knows no lengths, from sorting the table for a join.
    rows = each.offset(0).lateral("rows")
    return select(*rows.c).select_from(near.join(rows, true()))


def moment_of(table: VectorTable) -> ColumnElement[datetime]:
    """When the vector is of: of an interaction its peak."""
    if table is InteractionRow:
        row = InteractionRow
        after = func.make_interval(0, 0, 0, 0, 0, 0, row.peak_at - row.media_start)
        return type_coerce(row.started_at.op("+")(after), UtcDateTime)
    return type_coerce(PairVectorRow.taken_at, UtcDateTime)


def product(table: VectorTable, prototype: npt.NDArray[np.floating[Any]]) -> ColumnElement[float]:
    """Vector times prototype (D,) as PostgreSQL computes it, in float32."""
    from pgvector.sqlalchemy import VECTOR

    given = cast(literal(json.dumps(prototype.tolist()), Text), VECTOR())
    negative: ColumnElement[float] = cast(table.vector, VECTOR()).op("<#>", return_type=Double())(
        given
    )
    return type_coerce(-negative, Double)
