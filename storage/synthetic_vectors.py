"""Millions of made-up pair vectors, written in the fastest way a database has, for benchmarks."""

import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import Connection, Engine, func, insert, select

from storage.tables import PairVectorRow

CAMERAS, TOGETHER = 100, 8  # pairs of a camera are sampled together, one camera after the other
START, STEP = datetime(2026, 8, 1, tzinfo=UTC), timedelta(milliseconds=1)  # between two rows

_BATCH = 50_000  # rows of one transaction
_ACTS, _FALL = 300, 0.98  # what pairs do; every act is so much rarer than the one before
_BOX = [10.5, 20.5, 110.25, 320.125]
_COLUMNS = tuple(PairVectorRow.__table__.columns)


def acts(size: int) -> npt.NDArray[np.float32]:
    """(A, D) where vectors of an act point to, the most frequent act first."""
    return np.random.default_rng(size).standard_normal((_ACTS, size), np.float32)


def make_vectors(rows: int, size: int) -> Iterator[npt.NDArray[np.float16]]:
    """Batches (n, D), the same ones every time: an act's direction, and half as much chance."""
    directions, weights = acts(size), _FALL ** np.arange(_ACTS)
    for start in range(0, rows, _BATCH):
        dice = np.random.default_rng([size, start])
        done = dice.choice(_ACTS, _BATCH, p=weights / weights.sum())
        chance = dice.standard_normal((_BATCH, size), np.float32)
        yield (directions[done] + chance / 2).astype(np.float16)[: rows - start]


def fill_vectors(
    engine: Engine,
    bundle: str,
    rows: int,
    size: int,
    on_batch: Callable[[int], None] = lambda _: None,
) -> None:
    """Rows of 100 cameras, one a millisecond; what is stored from an earlier time stays."""
    postgres = engine.dialect.name == "postgresql"
    stored = select(func.count()).where(PairVectorRow.bundle == bundle)
    with engine.connect() as connection:
        done = connection.execute(stored).scalar_one()
    end = 0
    for batch in make_vectors(rows, size):
        start, end = end, end + len(batch)
        new = range(max(start, done), end)
        if new:
            made = [_row(bundle, n, batch[n - start]) for n in new]
            with engine.begin() as connection:
                (_copy if postgres else _insert)(connection, made)
            on_batch(end)
    if end > done:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql("VACUUM ANALYZE" if postgres else "ANALYZE")


def _row(bundle: str, n: int, vector: npt.NDArray[np.float16]) -> dict[str, Any]:
    camera, person = f"camera{n // TOGETHER % CAMERAS}", n // 100_000
    return {
        "id": uuid.uuid5(uuid.NAMESPACE_OID, f"{bundle} {n}"),
        "interaction": None,
        "moment": "sample",
        "camera": camera,
        "human_track": f"{camera}:0:{person}",
        "human_number": person,
        "object_track": f"{camera}:0:{1000 + person * TOGETHER + n % TOGETHER}",
        "object_class": "cup",
        "taken_at": START + n * STEP,
        "media_time": n * STEP.total_seconds(),
        "human_box": _BOX,
        "object_box": _BOX,
        "vector": vector,
        "bundle": bundle,
    }


def _insert(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Ids are at random places of their index, which is kept in memory meanwhile."""
    connection.exec_driver_sql("PRAGMA cache_size = -400000")  # kilobytes
    connection.execute(insert(PairVectorRow), rows)
    connection.detach()  # for others the cache stays as it is


def _copy(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """PostgreSQL's COPY, vectors as bytes: nothing is written and read as decimals."""
    from pgvector import HalfVector
    from pgvector.psycopg import register_vector
    from psycopg.types.json import Json

    driver: Any = connection.connection.driver_connection
    register_vector(driver)
    types = [column.type.compile(connection.dialect).lower() for column in _COLUMNS]
    given: dict[str, Any] = {"json": Json, "halfvec": HalfVector}
    how = [given.get(type_, _same) for type_ in types]
    names = ", ".join(column.name for column in _COLUMNS)
    with driver.cursor().copy(f"COPY pair_vectors ({names}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.set_types(types)
        for row in rows:
            copy.write_row([f(row[c.name]) for f, c in zip(how, _COLUMNS, strict=True)])
    connection.detach()  # nobody else expects vectors of another type from it


def _same(value: object) -> object:
    return value
