"""The part of the composition root behind the events: outbox, relay, sinks and what keeps house."""

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from configs.settings import Settings
from models.bundle import Bundle
from storage.bus import Bus
from storage.database import Sessions, make_engine, make_sessions
from storage.maintenance import bring_up_to_date
from storage.outbox import Outbox, claim_outbox
from storage.relay import RedisSink, Relay, Sink
from storage.retention import Keeper, Limits
from storage.runs import RunDatabase, RunFacts
from stream.addresses import Source
from stream.clips import Clips
from stream.deliver import Deliver
from stream.metrics import OutboxState
from stream.packets import Rings

logger = logging.getLogger(__name__)

_FLUSH_SECONDS = 30.0  # at the end, for the sinks to take the last events
_FLUSH_TRIES = 3  # by a sink that takes nothing
_RECOVER_SECONDS = 5.0  # at the start, for what a dead run left in the outbox


@dataclass(frozen=True)
class Delivery:
    stage: Deliver
    record: Callable[[Mapping[str, Any]], None]  # the summary of the run
    relay: Relay
    outbox: Outbox
    sessions: Sessions

    def outbox_state(self) -> OutboxState:
        outbox = self.outbox
        return OutboxState(
            outbox.bytes, outbox.most_bytes, outbox.left_out, in_memory=self.stage.waiting
        )


@contextmanager
def open_delivery(
    settings: Settings, bundle: Bundle, sources: list[Source], rings: Rings | None
) -> Iterator[Delivery]:
    """Outbox, relay and sinks."""
    with ExitStack() as open_things:
        engine = make_engine(settings.database.url)
        open_things.callback(engine.dispose)
        sessions = make_sessions(engine)
        most_bytes = int(settings.outbox.most_gigabytes * 1e9)
        outbox = open_things.enter_context(
            closing(claim_outbox(settings.media, most_bytes=most_bytes))
        )
        facts = RunFacts(
            {source.name: source.shown for source in sources},
            bundle.hash,
            settings.hash,
            datetime.now(UTC),
        )
        database = RunDatabase(
            sessions, outbox, facts, lambda: bring_up_to_date(engine, settings.backups)
        )
        there = database.open()
        sinks: list[Sink] = [database]
        if settings.redis.url is not None:
            bus = open_things.enter_context(closing(Bus(settings.redis.url)))
            sinks.append(RedisSink(bus))
        relay = open_things.enter_context(Relay(outbox, sinks))
        if there:
            relay.flush(_RECOVER_SECONDS)
            database.begin()

        def record(summary: Mapping[str, Any]) -> None:
            if not relay.flush(_FLUSH_SECONDS, tries=_FLUSH_TRIES):
                logger.warning("events wait in %s until their sink is back", outbox.path)
            database.finish(summary)

        kept = settings.retention
        gigabytes = kept.media_gigabytes
        limits = Limits(kept.days, None if gigabytes is None else int(gigabytes * 1e9))
        open_things.enter_context(Keeper(sessions, settings.media, limits))
        clips = None
        if rings is not None:
            before, after = settings.clips.before_seconds, settings.clips.after_seconds
            clips = Clips(rings.of, settings.media, before=before, after=after)
        stage = Deliver(outbox.append, settings.media, clips)
        yield Delivery(stage, record, relay, outbox, sessions)
