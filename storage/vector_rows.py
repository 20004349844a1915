"""All SQL over stored vectors: those that pass the filters, times the prototypes that are asked.

Vectors are in two tables: at the start, at the end and every few seconds of a pair in
`pair_vectors`, at the peak of an interaction in `interactions`.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    func,
    select,
)
from sqlalchemy.orm import Session

from storage.filters import Filters, branches_of, looks_of, number_of
from storage.hopeful_pairs import find_hopeful, of_pairs
from storage.interactions import Box
from storage.names import distinct
from storage.tables import InteractionRow, PairVectorRow
from storage.vector_reads import Conditions, Piece, VectorTable, read_postgres, read_sqlite

Floats = npt.NDArray[np.floating[Any]]
Read = tuple[VectorTable, Conditions]

_LOOKED_AT = 500  # rows of one query by id
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NO_IDS = np.frombuffer(b"", "V16")


@dataclass(frozen=True, eq=False)
class VectorScores:
    """Vectors of one bundle that passed, N rows in no order, and their V logits."""

    bundle: str
    pairs: tuple[tuple[str, str], ...]  # tracks of person and thing
    pair: npt.NDArray[np.int64]  # (N,) row of `pairs`
    seconds: npt.NDArray[np.float64]  # (N,) wall time since 1970
    peak: npt.NDArray[np.bool_]  # (N,) an interaction's best moment, else a row of pair_vectors
    ids: npt.NDArray[np.void]  # (N,) of the row, 16 bytes each
    logits: Floats  # (N, V) float32, vectors times prototypes


def bundles_with_vectors(session: Session) -> list[str]:
    """Hashes of the bundles whose vectors are stored, in order."""
    return distinct(session, PairVectorRow.bundle)


def score_vectors(
    session: Session,
    bundle: str,
    prototypes: Floats,
    filters: Filters,
    floors: Floats | None = None,
) -> VectorScores:
    """Every stored vector of the bundle that passes, exactly scored; prototypes (V, D).

    Of the filters `verbs`, `beyond` and the order are not looked at: no verb is known yet. With
    `floors` (P,), logits of the first P prototypes, pairs may be left out that never reach any.
    """
    prototypes = prototypes.astype(np.float32)
    kept: Filters = {**filters, "verbs": None, "beyond": None}
    own = InteractionRow.bundle == bundle, InteractionRow.vector.is_not(None)
    reads: list[Read] = [
        (PairVectorRow, pair_conditions(bundle, filters)),
        *((InteractionRow, [*branch, *own]) for branch in branches_of(session, **kept)),
    ]
    if _is_postgres(session) and floors is not None:
        hopeful = find_hopeful(session, reads, prototypes[: len(floors)], floors)
        if hopeful is not None:
            reads = [(table, [*all_, *of_pairs(table, hopeful)]) for table, all_ in reads]
    return read_scores(session, bundle, prototypes, reads, filters)


def read_scores(
    session: Session, bundle: str, prototypes: Floats, reads: Iterable[Read], filters: Filters
) -> VectorScores:
    """Of some rows of the bundle; of the filters only the bounds of time are looked at."""
    prototypes = prototypes.astype(np.float32)
    read = read_postgres if _is_postgres(session) else read_sqlite
    pieces = [
        (piece, table is InteractionRow)
        for table, conditions in reads
        for piece in read(session, table, conditions, prototypes)
    ]
    return _joined(bundle, pieces, len(prototypes), filters)


def count_vectors(
    session: Session, bundle: str, filters: Filters, *, most: int | None = None
) -> int:
    """Vectors of pairs that pass, peaks of interactions not among them; counted up to `most`."""
    passing = select(PairVectorRow.id).where(*pair_conditions(bundle, filters)).limit(most)
    return session.scalars(select(func.count()).select_from(passing.subquery())).one()


def pair_conditions(bundle: str, filters: Filters) -> list[ColumnElement[bool]]:
    """The filters over `pair_vectors`, whose indices begin with the bundle."""
    row = PairVectorRow
    conditions = [row.bundle == bundle]
    person = filters.get("person")
    if (camera := filters.get("camera")) is not None:
        conditions.append(row.camera == camera)
    if (classes := filters.get("object_classes")) is not None:
        conditions.append(row.object_class.in_(sorted(classes)))
    if (human := filters.get("human")) is not None:
        conditions.append(func.lower(row.human_track) == human.lower())
        person = number_of(human)
    if person is not None:
        conditions.append(row.human_number == person)
    conditions += looks_of(row, filters)
    if (since := filters.get("since")) is not None:
        conditions.append(row.taken_at >= since)
    if (until := filters.get("until")) is not None:
        conditions.append(row.taken_at <= until)
    return conditions


def _joined(
    bundle: str, pieces: Sequence[tuple[Piece, bool]], verbs: int, filters: Filters
) -> VectorScores:
    """Put together; peaks of interactions that went on beyond the time asked for are left."""
    codes: defaultdict[tuple[str, str], int] = defaultdict(count().__next__)
    pair, seconds = [np.zeros(0, np.int64)], [np.zeros(0)]
    peak, ids, logits = [np.zeros(0, bool)], [_NO_IDS], [np.zeros((0, verbs), np.float32)]
    for piece, is_peak in pieces:
        own = np.array([codes[both] for both in piece.pairs], np.int64)
        pair.append(own[piece.pair])
        seconds.append(piece.seconds)
        peak.append(np.full(len(piece.seconds), is_peak))
        ids.append(piece.ids)
        logits.append(piece.logits)
    when = np.concatenate(seconds)
    inside = np.ones(len(when), bool)
    if (since := filters.get("since")) is not None:
        inside &= when >= (since - _EPOCH).total_seconds()
    if (until := filters.get("until")) is not None:
        inside &= when <= (until - _EPOCH).total_seconds()
    return VectorScores(
        bundle=bundle,
        pairs=tuple(codes),
        pair=np.concatenate(pair)[inside],
        seconds=when[inside],
        peak=np.concatenate(peak)[inside],
        ids=np.concatenate(ids)[inside],
        logits=np.concatenate(logits)[inside],
    )


@dataclass(frozen=True)
class View:
    """What is stored beside a vector."""

    camera: str
    object_class: str
    media: float  # seconds of the camera's media clock
    human_box: Box
    object_box: Box
    snapshot: str | None = None
    clip: str | None = None
    clip_peak: float | None = None


Views = dict[int, View]  # by row of the scores


def look_at(session: Session, scores: VectorScores, rows: Sequence[int]) -> Views:
    """The views of some rows, as far as they are still stored."""
    found: Views = {}
    for start in range(0, len(rows), _LOOKED_AT):
        some = rows[start : start + _LOOKED_AT]
        for table in (PairVectorRow, InteractionRow):
            peaks = table is InteractionRow
            of = {
                uuid.UUID(bytes=scores.ids[row].tobytes()): row
                for row in some
                if scores.peak[row] == peaks
            }
            if of:
                found |= {of[id_]: view for id_, view in _views(session, table, list(of))}
    return found


def _views(
    session: Session, table: VectorTable, ids: Sequence[uuid.UUID]
) -> Iterator[tuple[uuid.UUID, View]]:
    shared = table.id, table.camera, table.object_class, table.human_box, table.object_box
    if table is InteractionRow:
        row = InteractionRow
        own: tuple[Any, ...] = row.peak_at, row.snapshot, row.clip, row.clip_peak
    else:
        own = (PairVectorRow.media_time,)
    for id_, camera, thing, human_box, object_box, media, *evidence in session.execute(
        select(*shared, *own).where(table.id.in_(ids))
    ):
        boxes = tuple(human_box), tuple(object_box)
        yield id_, View(camera, thing, media, *boxes, *evidence)


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"
