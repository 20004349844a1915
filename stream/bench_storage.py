"""`stream bench storage`: events a second through the outbox into a database."""

import time
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from storage.database import make_engine, make_sessions, shown
from storage.deletions import delete_camera
from storage.errors import StorageError
from storage.interactions import EndReason, Interaction, Kind, Phase, interaction_id
from storage.maintenance import bring_up_to_date
from storage.outbox import Outbox
from storage.relay import DatabaseSink, Relay

_CAMERA = "bench-of-storage"
_COMMIT = 100  # events of one append
_PATIENCE = 600.0  # seconds


@dataclass(frozen=True)
class Throughput:
    """Events a second."""

    database: str
    vector: int  # numbers in each event's vector
    appended: float  # durable in the outbox
    delivered: float  # from the first append until the database has the last


def bench_storage(
    url: str, folder: Path, *, events: int, vectors: tuple[int, ...] = (0, 512)
) -> Iterator[Throughput]:
    """Events of a camera of their own, which are deleted afterwards."""
    engine = make_engine(url)
    try:
        bring_up_to_date(engine, folder / "backups")
        sessions = make_sessions(engine)
        for size in vectors:
            made = [make_event(n, size) for n in range(events)]
            outbox = Outbox(folder / f"outbox-{size}.db")
            with closing(outbox), Relay(outbox, [DatabaseSink(sessions)]) as relay:
                began = time.monotonic()
                for start in range(0, events, _COMMIT):
                    outbox.append(made[start : start + _COMMIT])
                appended = time.monotonic() - began
                if not relay.flush(timeout=_PATIENCE):
                    raise StorageError(f"{shown(url)} does not take the events")
                delivered = time.monotonic() - began
            with sessions.begin() as session:
                delete_camera(session, camera=_CAMERA)
            yield Throughput(engine.dialect.name, size, events / appended, events / delivered)
    finally:
        engine.dispose()


def make_event(number: int, size: int) -> Interaction:
    """A made-up interaction with a vector of so many numbers; 0: without."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=number)
    human, thing = f"{_CAMERA}:0:{number % 50}", f"{_CAMERA}:0:{number % 70}"
    rng = np.random.default_rng(number)
    return Interaction(
        id=interaction_id(
            camera=_CAMERA,
            verb="hold",
            human_track=human,
            object_track=thing,
            started_at=start,
            bundle="bench",
            config="bench",
        ),
        camera=_CAMERA,
        kind=Kind.INTERVAL,
        phase=Phase.END,
        verb="hold",
        human_track=human,
        object_track=thing,
        object_class="cup",
        started_at=start,
        ended_at=start + timedelta(seconds=3),
        media_start=float(number),
        media_end=number + 3.0,
        mean_score=0.75,
        peak_score=0.9,
        peak_at=number + 1.0,
        human_box=(10.5, 20.5, 110.25, 320.125),
        object_box=(60.5, 200.5, 90.25, 230.125),
        bundle="bench",
        config="bench",
        end_reason=EndReason.ENDED,
        vector=rng.standard_normal(size).astype(np.float16) if size else None,
        snapshot=f"snapshots/2026-01-01/{number}.jpg",
    )
