"""How a question scores where it did not happen: a bounded sample of what cameras have stored.

Nearly all that is stored of a camera is of something else, and that is what chance looks like. Of
much of it whole stretches of time are read, evenly spread over all of it and the same ones every
time, so that no question waits longer because a camera has been watched for years.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from weakref import WeakKeyDictionary

import numpy as np
from sqlalchemy import Engine, func, select
from sqlalchemy.orm import Session

from storage.chances import Null, fit_null
from storage.filters import Filters
from storage.speech import OpenVerbs
from storage.tables import InteractionRow, PairVectorRow
from storage.vector_rows import (
    Floats,
    Read,
    VectorScores,
    count_vectors,
    pair_conditions,
    read_scores,
    score_vectors,
)
from storage.watch_times import Spans, watched, watches

MOST_VECTORS = 200_000  # of a sample: a second or two
_PARTS = 128  # stretches of a sample, at least
_SHORTEST = 60.0  # seconds of a stretch: acts are shorter
_GOLDEN = (5**0.5 - 1) / 2  # its multiples are spread evenly, at no beat with hours or days
_KEPT_SECONDS, _MOST_KEPT = 600.0, 64  # while somebody reads the pages of an answer

Key = tuple[object, ...]
Kept = OrderedDict[Key, tuple[float, Null]]
_NONE: Kept = OrderedDict()
_kept: WeakKeyDictionary[Engine, Kept] = WeakKeyDictionary()
_lock = threading.Lock()


def nulls(
    session: Session,
    how: OpenVerbs,
    bundle: str,
    phrases: Sequence[str],
    prototypes: Floats,
    filters: Filters,
) -> list[Null]:
    """Of every phrase, prototypes (P, D), on the cameras and things of the filters.

    What was found is kept for ten minutes: all pages of an answer are judged alike.
    """
    near: Filters = {
        "camera": filters.get("camera"),
        "object_classes": filters.get("object_classes"),
    }
    engine = session.get_bind().engine
    keys = [
        _key(how, bundle, phrase, row, near)
        for phrase, row in zip(phrases, prototypes, strict=True)
    ]
    known = {key: null for key in keys if (null := _recall(engine, key)) is not None}
    missing = [n for n, key in enumerate(keys) if key not in known]
    if missing:
        scores, seconds = _sample(session, bundle, prototypes[missing], near)
        for column, n in enumerate(missing):
            evidence = how.evidence(bundle, phrases[n], scores.logits[:, column])
            known[keys[n]] = fit_null(scores, how.believed(scores, evidence), seconds)
            _keep(engine, keys[n], known[keys[n]])
    return [known[key] for key in keys]


def _key(how: OpenVerbs, bundle: str, phrase: str, prototype: Floats, near: Filters) -> Key:
    """All that the scores depend on but what is stored."""
    camera, classes = near.get("camera"), near.get("object_classes")
    things = None if classes is None else tuple(sorted(classes))
    how_seen = how.speaks.calibration(bundle, phrase), how.smoothing(bundle), how.every
    return bundle, camera, things, prototype.tobytes(), *how_seen


def _recall(engine: Engine, key: Key) -> Null | None:
    with _lock:
        since, null = _kept.get(engine, _NONE).get(key, (0.0, None))
    return null if time.monotonic() - since < _KEPT_SECONDS else None


def _keep(engine: Engine, key: Key, null: Null) -> None:
    """The newest ones; what is not known yet may be known soon."""
    if null.chance is None:
        return
    with _lock:
        kept = _kept.setdefault(engine, OrderedDict())
        kept[key] = time.monotonic(), null
        kept.move_to_end(key)
        while len(kept) > _MOST_KEPT:
            kept.popitem(last=False)


def _sample(
    session: Session, bundle: str, prototypes: Floats, near: Filters
) -> tuple[VectorScores, float]:
    """Scores, and seconds of watching that they stand for."""
    stretches = find_stretches(session, bundle, near)
    if stretches is None:
        scores = score_vectors(session, bundle, prototypes, near)
    else:
        reads = _reads(bundle, near, stretches)
        scores = read_scores(session, bundle, prototypes, reads, near)
    cameras = {human.rsplit(":", 2)[0] for human, _ in scores.pairs}
    told = watches(session, bundle, cameras)
    return scores, watched(scores.seconds, told, stretches)


def find_stretches(session: Session, bundle: str, near: Filters) -> Spans | None:
    """Which to read; None: all that is stored is little enough.

    They are long where little is stored, and shorter if any has more than its part of the sample.
    """
    if count_vectors(session, bundle, near, most=MOST_VECTORS + 1) <= MOST_VECTORS:
        return None
    first, last = _bounds(session, bundle, near)
    length = _SHORTEST
    while (last - first) / (2 * length) >= _PARTS:
        length *= 2
    while True:
        chosen = _choose(session, bundle, near, _spread(first, last, length))
        if chosen is not None:
            return chosen
        length /= 2


def _choose(session: Session, bundle: str, near: Filters, spans: Spans) -> Spans | None:
    """The first ones, until there is enough; None: one of them has too much."""
    part, total = MOST_VECTORS // _PARTS, 0
    for n, (since, until) in enumerate(spans.tolist()):
        began, ended = _times(since, until)
        within: Filters = {**near, "since": began, "until": ended}
        number = count_vectors(session, bundle, within, most=MOST_VECTORS)
        if number > part and until - since > _SHORTEST:
            return None
        total += number
        if total >= MOST_VECTORS:
            return spans[: max(n, 1)]
    return spans


def _spread(first: float, last: float, length: float) -> Spans:
    """(S, 2) all stretches, every beginning of their order spread over the whole."""
    numbers = np.arange(int(first // length), int(last // length) + 1)
    since = length * numbers[np.argsort(numbers * _GOLDEN % 1)]
    return np.stack([since, since + length], axis=1)


def _reads(bundle: str, near: Filters, stretches: Spans) -> Iterator[Read]:
    row = InteractionRow
    own = [row.bundle == bundle, row.vector.is_not(None)]
    if (camera := near.get("camera")) is not None:
        own.append(row.camera == camera)
    if (classes := near.get("object_classes")) is not None:
        own.append(row.object_class.in_(sorted(classes)))
    for since, until in stretches.tolist():
        began, ended = _times(since, until)
        within: Filters = {**near, "since": began, "until": ended}
        yield PairVectorRow, pair_conditions(bundle, within)
        yield row, [*own, row.started_at.between(began, ended)]


def _times(since: float, until: float) -> tuple[datetime, datetime]:
    """The first and the last instant."""
    first, last = (datetime.fromtimestamp(at, UTC) for at in (since, until))
    return first, last - timedelta(microseconds=1)


def _bounds(session: Session, bundle: str, near: Filters) -> tuple[float, float]:
    """Seconds of the first and the last vector of the cameras, whatever the things."""
    row, camera = PairVectorRow, near.get("camera")
    own = [row.bundle == bundle] if camera is None else [row.bundle == bundle, row.camera == camera]
    first, last = (
        session.scalars(select(f(row.taken_at)).where(*own)).one().timestamp()
        for f in (func.min, func.max)
    )
    return first, last
