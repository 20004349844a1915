"""Which pairs can have a window, found inside PostgreSQL: nothing of others is fetched.

What is believed of a pair depends on all that is stored of it, but is never above its greatest
score (`storage.windows`). Pairs that never reach the threshold can therefore be left, whole.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import ColumnElement, Integer, Text, any_, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import Session

from storage.vector_reads import Conditions, VectorTable, product

MOST_HOPEFUL = 20_000  # pairs; with more, all that pass are fetched

Pair = tuple[str, int, str]  # camera, the person's number, both tracks


def find_hopeful(
    session: Session,
    reads: Sequence[tuple[VectorTable, Conditions]],
    prototypes: npt.NDArray[np.floating[Any]],
    floors: npt.NDArray[np.floating[Any]],
) -> set[Pair] | None:
    """Pairs of which any row's product with a prototype (V, D) reaches its floor (V,).

    None: there are too many.
    """
    hopeful = set[Pair]()
    for table, conditions in reads:
        reached = (
            product(table, prototype) >= floor
            for prototype, floor in zip(prototypes, floors.tolist(), strict=True)
        )
        query = select(table.camera, table.human_number, _tracks(table)).distinct()
        query = query.where(*conditions, or_(*reached)).limit(MOST_HOPEFUL + 1)
        hopeful.update(session.connection().execute(query).tuples())
        if len(hopeful) > MOST_HOPEFUL:
            return None
    return hopeful


def of_pairs(table: VectorTable, pairs: set[Pair]) -> Conditions:
    """Every row of these; indices have camera and person, tracks are looked up in a hash."""
    cameras, numbers, tracks = (sorted({pair[n] for pair in pairs}) for n in range(3))
    return (
        table.camera == any_(literal(cameras, ARRAY(Text))),
        table.human_number == any_(literal(numbers, ARRAY(Integer))),
        _tracks(table) == any_(literal(tracks, ARRAY(Text))),
    )


def _tracks(table: VectorTable) -> ColumnElement[str]:
    return table.human_track + " " + table.object_track
