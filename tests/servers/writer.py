"""Writes events through outbox and relay as a run does, until it is killed.

`writer.py FOLDER DATABASE REDIS FIRST COUNT MIGRATE`: tells the number of every event whose append
came back, one a line; with COUNT 0 it only delivers what is left. Before, it says `migrating` and,
with MIGRATE 1, takes the schema back and forth; meanwhile it deletes old events of another camera.
"""

import random
import sys
import threading
import uuid
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np

from storage.bus import Bus
from storage.database import Sessions, downgrade, make_engine, make_sessions, upgrade
from storage.interactions import EndReason, Interaction, Kind, Phase
from storage.maintenance import bring_up_to_date
from storage.outbox import claim_outbox
from storage.relay import DatabaseSink, RedisSink, Relay, Sink
from storage.repository import add_interactions
from storage.retention import prune

START, OLD = datetime(2026, 1, 1, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)


def event(number: int) -> Interaction:
    """Every third one ends the interaction that the two before began and went on with."""
    interaction, phase = divmod(number, 3)
    began = START + timedelta(seconds=interaction)
    return Interaction(
        id=uuid.UUID(int=interaction + 1),
        camera="gate",
        kind=Kind.INTERVAL,
        phase=(Phase.START, Phase.UPDATE, Phase.END)[phase],
        verb="hold",
        human_track="gate:0:1",
        object_track=f"gate:0:{interaction}",
        object_class="cup",
        started_at=began,
        ended_at=began + timedelta(seconds=phase),
        media_start=float(interaction),
        media_end=float(interaction + phase),
        mean_score=0.8,
        peak_score=0.9,
        peak_at=float(interaction),
        human_box=(0, 0, 10, 20),
        object_box=(5, 5, 9, 9),
        bundle="b",
        config="c",
        end_reason=EndReason.ENDED if phase == 2 else None,
        vector=np.full(8, interaction % 1000, np.float16),
    )


def old_event(number: int) -> Interaction:
    began = OLD + timedelta(seconds=number)
    id_ = uuid.UUID(int=10**9 + number)
    return replace(event(2), id=id_, camera="old", started_at=began, ended_at=began)


def delete_old(sessions: Sessions, folder: Path) -> None:
    with sessions.begin() as session:
        add_interactions(session, interactions=[old_event(n) for n in range(1500)])
    prune(sessions, folder / "media", before=OLD + timedelta(days=1))


def main() -> None:
    folder, database, redis, first, count, migrate = sys.argv[1:]
    engine = make_engine(database)
    upgrade(engine)
    sys.stdout.write("migrating\n")
    sys.stdout.flush()
    if migrate == "1":
        downgrade(engine, "0001")
        bring_up_to_date(engine, Path(folder) / "backups")
    retention = threading.Thread(target=delete_old, args=(make_sessions(engine), Path(folder)))
    retention.start()
    rng = random.Random(int(first))
    with closing(claim_outbox(Path(folder))) as outbox, closing(Bus(redis)) as bus:
        sinks: list[Sink] = [DatabaseSink(make_sessions(engine)), RedisSink(bus)]
        with Relay(outbox, sinks) as relay:
            number, end = int(first), int(first) + int(count)
            while number < end:
                size = min(rng.randint(1, 40), end - number)
                outbox.append([event(n) for n in range(number, number + size)])
                number += size
                sys.stdout.write(f"{number - 1}\n")
                sys.stdout.flush()
            retention.join()
            if not relay.flush(60):
                sys.exit("not delivered")


if __name__ == "__main__":
    main()
