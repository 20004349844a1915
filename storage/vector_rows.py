"""All SQL over stored vectors: those that pass the filters, times the prototypes that are asked.

Vectors are in two tables: at the start, at the end and every few seconds of a pair in
`pair_vectors`, at the peak of an interaction in `interactions`. SQLite gives its bytes, which are
multiplied here; PostgreSQL multiplies itself, and gives only what can matter. Both in float32.
"""

import uuid
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
from sqlalchemy import (
    ColumnElement,
    Double,
    LargeBinary,
    Select,
    Text,
    cast,
    func,
    select,
    type_coerce,
)
from sqlalchemy.orm import Session

from storage.errors import StorageError
from storage.filters import Filters, branches_of, number_of, of_track
from storage.interactions import Box
from storage.tables import InteractionRow, PairVectorRow, TrackRow
from storage.vector_stretches import (
    Conditions,
    Stretch,
    VectorTable,
    find_stretches,
    product,
    within,
)

Floats = npt.NDArray[np.floating[Any]]

_BATCH = 8192  # rows in memory at once as vectors
_LOOKED_AT = 500  # rows of one query by id
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, eq=False)
class VectorScores:
    """Vectors of one bundle that passed, N rows in no order, and their V logits."""

    bundle: str
    pairs: tuple[tuple[str, str], ...]  # tracks of person and thing
    pair: npt.NDArray[np.int64]  # (N,) row of `pairs`
    seconds: npt.NDArray[np.float64]  # (N,) wall time since 1970
    peak: npt.NDArray[np.bool_]  # (N,) an interaction's best moment, else a row of pair_vectors
    ids: npt.NDArray[np.object_]  # (N,) of the row, as text
    logits: Floats  # (N, V) float32, vectors times prototypes


def bundles_with_vectors(session: Session) -> list[str]:
    """Hashes of the bundles whose vectors are stored, in order."""
    row = PairVectorRow
    first = select(func.min(row.bundle).label("value")).cte("steps", recursive=True)
    following = select(func.min(row.bundle)).where(row.bundle > first.c.value).scalar_subquery()
    steps = first.union_all(select(following).where(first.c.value.is_not(None)))
    return list(session.scalars(select(steps.c.value).where(steps.c.value.is_not(None))))


def score_vectors(
    session: Session,
    bundle: str,
    prototypes: Floats,
    filters: Filters,
    floors: Floats | None = None,
) -> VectorScores:
    """Every stored vector of the bundle that passes, exactly scored; prototypes (V, D).

    Of the filters `verbs`, `beyond` and the order are not looked at: no verb is known yet. With
    `floors` (P,), logits of the first P prototypes, rows may be left out that are part of no window
    which reaches its floor.
    """
    prototypes = prototypes.astype(np.float32)
    kept: Filters = {**filters, "verbs": None, "beyond": None}
    own = InteractionRow.bundle == bundle, InteractionRow.vector.is_not(None)
    reads: list[tuple[VectorTable, Conditions]] = [
        (PairVectorRow, pair_conditions(bundle, filters)),
        *((InteractionRow, [*branch, *own]) for branch in branches_of(session, **kept)),
    ]
    near = None
    if floors is not None and _is_postgres(session):
        near = find_stretches(session, reads, prototypes[: len(floors)], floors)
    found = _Found(prototypes)
    for table, conditions in reads:
        found.read(session, table, conditions, near)
    return found.scores(bundle, filters)


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
    if (worn := filters.get("person_colour")) is not None:
        conditions.append(of_track(row.human_track, TrackRow.colour, TrackRow.lower_colour, worn))
    if (colour := filters.get("thing_colour")) is not None:
        conditions.append(of_track(row.object_track, TrackRow.colour, None, colour))
    if (since := filters.get("since")) is not None:
        conditions.append(row.taken_at >= since)
    if (until := filters.get("until")) is not None:
        conditions.append(row.taken_at <= until)
    return conditions


@dataclass
class _Found:
    """What was read so far, in pieces."""

    prototypes: Floats  # (V, D)
    codes: defaultdict[tuple[str, str], int] = field(
        default_factory=lambda: defaultdict(count().__next__)
    )
    pieces: list[tuple[Any, ...]] = field(default_factory=list)

    def read(
        self,
        session: Session,
        table: VectorTable,
        conditions: Conditions,
        near: Sequence[Stretch] | None,
    ) -> None:
        postgres = _is_postgres(session)
        query = _query(table, conditions, self.prototypes if postgres else None)
        if near is not None:
            query = within(query, table, near)
        options = {"stream_results": postgres}  # SQLite always streams
        bare = session.connection()  # not by the mapper, which takes twice as long
        for rows in bare.execute(query, execution_options=options).partitions(_BATCH):
            ids, humans, things, taken, later, *told = zip(*rows, strict=True)
            codes = list(map(self.codes.__getitem__, zip(humans, things, strict=True)))
            seconds = _seconds(taken) + np.array(later, np.float64)
            logits = np.stack(told, axis=1) if postgres else self._multiply(told[0])
            peak = np.full(len(ids), table is InteractionRow)
            self.pieces.append((codes, seconds, peak, ids, logits.astype(np.float32)))

    def _multiply(self, blobs: Sequence[bytes]) -> Floats:
        size = self.prototypes.shape[1]
        vectors = np.frombuffer(b"".join(blobs), "<f2")
        if len(vectors) != len(blobs) * size:
            raise StorageError(f"stored vectors do not have the {size} numbers of their bundle's")
        logits: Floats = vectors.reshape(-1, size).astype(np.float32) @ self.prototypes.T
        return logits

    def scores(self, bundle: str, filters: Filters) -> VectorScores:
        """Put together; peaks of interactions that went on beyond the time asked for are left."""
        empty = ((), (), (), (), np.zeros((0, len(self.prototypes)), np.float32))
        codes, seconds, peak, ids, logits = (
            np.concatenate([np.asarray(piece) for piece in column])
            for column in zip(empty, *self.pieces, strict=True)
        )
        inside = np.ones(len(seconds), bool)
        if (since := filters.get("since")) is not None:
            inside &= seconds >= (since - _EPOCH).total_seconds()
        if (until := filters.get("until")) is not None:
            inside &= seconds <= (until - _EPOCH).total_seconds()
        return VectorScores(
            bundle=bundle,
            pairs=tuple(self.codes),
            pair=codes[inside].astype(np.int64),
            seconds=seconds[inside].astype(np.float64),
            peak=peak[inside].astype(bool),
            ids=ids[inside].astype(object),
            logits=logits[inside].astype(np.float32),
        )


def _query(table: VectorTable, conditions: Conditions, prototypes: Floats | None) -> Select[Any]:
    """Rows of id, tracks, time and what is to be added to it, then bytes or logits."""
    if table is InteractionRow:
        taken: Any = InteractionRow.started_at
        later: Any = InteractionRow.peak_at - InteractionRow.media_start
    else:
        taken, later = PairVectorRow.taken_at, type_coerce(0.0, Double)
    if prototypes is None:
        when: Any = type_coerce(taken, Text)
        id_: Any = type_coerce(table.id, Text)
        told: list[Any] = [type_coerce(table.vector, LargeBinary)]
    else:
        when, id_ = cast(func.extract("epoch", taken), Double), cast(table.id, Text)
        told = [product(table, prototype) for prototype in prototypes]
    return select(id_, table.human_track, table.object_track, when, later, *told).where(*conditions)


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
            of = {uuid.UUID(scores.ids[row]): row for row in some if scores.peak[row] == peaks}
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


def _seconds(taken: Sequence[Any]) -> npt.NDArray[np.float64]:
    """Since 1970, from SQLite's text or PostgreSQL's number; SQLAlchemy's own way takes longer."""
    if isinstance(taken[0], str):
        return np.array(taken, "datetime64[us]").astype(np.int64) / 1e6
    return np.array(taken, np.float64)
