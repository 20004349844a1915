"""Stored vectors times prototypes, as each database does it best; both in float32.

SQLite gives rows of bytes, which are multiplied here. PostgreSQL multiplies itself and gives a row
a pair, in which every column is the bytes of an array: most of the time of a row of plain values
a vector goes into sending and reading it.
"""

import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    REAL,
    ColumnElement,
    Double,
    LargeBinary,
    Text,
    cast,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session

from storage.errors import StorageError
from storage.tables import InteractionRow, PairVectorRow, UtcDateTime

VectorTable = type[PairVectorRow] | type[InteractionRow]
Conditions = Sequence[ColumnElement[bool]]
Floats = npt.NDArray[np.floating[Any]]

_BATCH = 8192  # rows in memory at once as vectors
_PAIRS = 512  # rows of PostgreSQL fetched at once


@dataclass(frozen=True, eq=False)
class Piece:
    """Some of the vectors of a table."""

    pairs: Sequence[tuple[str, str]]  # tracks of person and thing
    pair: npt.NDArray[np.int64]  # (N,) row of `pairs`
    seconds: npt.NDArray[np.float64]  # (N,) wall time since 1970
    ids: npt.NDArray[np.void]  # (N,) 16 bytes each
    logits: npt.NDArray[np.float32]  # (N, V)


def read_sqlite(
    session: Session, table: VectorTable, conditions: Conditions, prototypes: Floats
) -> Iterator[Piece]:
    taken, later = _moment(table)
    id_, vector = type_coerce(table.id, Text), type_coerce(table.vector, LargeBinary)
    query = select(id_, table.human_track, table.object_track, taken, later, vector)
    bare = session.connection()  # not by the mapper, which takes twice as long
    for rows in bare.execute(query.where(*conditions)).partitions(_BATCH):
        ids, humans, things, times, after, blobs = zip(*rows, strict=True)
        codes: defaultdict[tuple[str, str], int] = defaultdict(count().__next__)
        pair = [codes[both] for both in zip(humans, things, strict=True)]
        since = (
            np.array(times, "datetime64[us]").astype(np.int64) / 1e6
        )  # SQLAlchemy's way takes longer
        yield Piece(
            pairs=tuple(codes),
            pair=np.array(pair),
            seconds=since + np.array(after, np.float64),
            ids=np.frombuffer(bytes.fromhex("".join(ids)), "V16"),
            logits=_multiply(blobs, prototypes),
        )


def _moment(table: VectorTable) -> tuple[Any, Any]:
    """SQLite's text, and seconds to be added to it."""
    if table is InteractionRow:
        later: Any = InteractionRow.peak_at - InteractionRow.media_start
        return type_coerce(InteractionRow.started_at, Text), later
    return type_coerce(PairVectorRow.taken_at, Text), type_coerce(0.0, Double)


def _multiply(blobs: Sequence[bytes], prototypes: Floats) -> npt.NDArray[np.float32]:
    size = prototypes.shape[1]
    vectors = np.frombuffer(b"".join(blobs), "<f2")
    if len(vectors) != len(blobs) * size:
        raise StorageError(f"stored vectors do not have the {size} numbers of their bundle's")
    logits = vectors.reshape(-1, size).astype(np.float32) @ prototypes.T
    return logits.astype(np.float32, copy=False)


def read_postgres(
    session: Session, table: VectorTable, conditions: Conditions, prototypes: Floats
) -> Iterator[Piece]:
    seconds = func.date_part("epoch", _moment_of(table)).label("seconds")
    logits = [product(table, one).label(f"logit{n}") for n, one in enumerate(prototypes)]
    each = select(table.id, table.human_track, table.object_track, seconds, *logits)
    each = each.where(*conditions)
    # OFFSET 0: products are made before rows are sorted by pair, not vectors carried through it.
    rows = each.offset(0).subquery()
    arrays = [
        _bytes(func.uuid_send(rows.c.id)),
        _bytes(func.float8send(rows.c.seconds)),
        *(_bytes(func.float4send(cast(rows.c[one.name], REAL))) for one in logits),
    ]
    pair = rows.c.human_track.collate("C"), rows.c.object_track.collate("C")
    found = session.connection().execute(
        select(*pair, *arrays).group_by(*pair), execution_options={"stream_results": True}
    )
    for some in found.partitions(_PAIRS):
        humans, things, ids, times, *scores = zip(*some, strict=True)
        counts = [len(one) // 16 for one in ids]
        yield Piece(
            pairs=list(zip(humans, things, strict=True)),
            pair=np.repeat(np.arange(len(counts)), counts),
            seconds=np.frombuffer(b"".join(times), ">f8").astype(np.float64),
            ids=np.frombuffer(b"".join(ids), "V16"),
            logits=np.stack(
                [np.frombuffer(b"".join(one), ">f4").astype(np.float32) for one in scores], axis=1
            ),
        )


def _bytes(value: Any) -> Any:
    """Of all rows of a group, in an order that all columns share."""
    return func.string_agg(value, literal(b"", LargeBinary), type_=LargeBinary)


def _moment_of(table: VectorTable) -> ColumnElement[datetime]:
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
