"""The composition root: settings become sources, models, stages and sinks; nothing else does."""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from configs.settings import Settings
from models.bundle import Bundle, choose_bundle, load_bundle
from models.coco import CLASSES
from models.detector import Detector, open_detector
from models.errors import ModelError
from models.scorer import load_scorer
from models.tracker import Tracker
from storage.bus import Bus
from storage.database import make_engine, make_sessions, upgrade
from storage.errors import StorageError
from storage.interactions import Phase
from storage.outbox import claim_outbox
from storage.relay import DatabaseSink, RedisSink, Relay, Sink, recover
from storage.repository import finish_run, start_run
from stream.addresses import Source, find_sources
from stream.deliver import Deliver
from stream.errors import StreamError
from stream.events import EventMaker, Lifecycle
from stream.flow import flow
from stream.frames import EventFrame, Round, changes_of
from stream.rounds import Rounds
from stream.score import Score
from stream.smooth import Smoother, Smoothing
from stream.stats import FrameCounts, Link, bottleneck
from stream.track import Track

logger = logging.getLogger(__name__)

_FILES_AHEAD, _LIVE_AHEAD = 4, 1  # rounds between two stages; for live each adds to the latency
_FLUSH_SECONDS = 30.0  # at the end, for the sinks to take the last events
_RECOVER_SECONDS = 5.0  # at the start, for what a dead run left in the outbox


@dataclass
class Run:
    """A running pipeline: iterate `rounds`; every event in them is already in the outbox."""

    bundle: Bundle
    sources: list[Source]
    rounds: Iterator[Round[EventFrame]]
    counts: FrameCounts
    failed: Mapping[str, Exception]  # sources that could not be read, by camera
    _source: Rounds
    links: list[Link] = field(default_factory=list)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    events: Counter[str] = field(default_factory=Counter)  # ended ones by verb

    def stop(self) -> None:
        """Read no more; what was read goes through, and open events are closed."""
        self._source.stop()

    def summary(self) -> dict[str, Any]:
        """What became of every frame, and how long it took."""
        seconds = (datetime.now(UTC) - self.started_at).total_seconds()
        return {
            "frames": self.counts.decoded,
            "dropped": self.counts.dropped,
            "scored": self.counts.scored,
            "gated": self.counts.gated,
            "events": dict(self.events.most_common()),
            "seconds": round(seconds, 2),
            "frames_per_second": round(self.counts.decoded / max(seconds, 1e-9), 1),
            "bottleneck": bottleneck(self.links),
            "failed": {camera: str(error) for camera, error in self.failed.items()},
        }


@contextmanager
def open_run(settings: Settings) -> Iterator[Run]:
    """The pipeline that the settings describe, until the block ends; then all is flushed."""
    sources = find_sources([(camera.name, camera.url) for camera in settings.cameras])
    if not sources:
        raise StreamError("nothing to watch: give --source, or cameras in the --config file")
    bundle = open_bundle(settings)
    detector = make_detector(settings, bundle)
    scorer = load_scorer(bundle)
    maker = _make_events(settings, bundle)
    tracking: Mapping[str, Any] = bundle.tracking
    counts = FrameCounts()
    source = Rounds(sources, counts=counts, max_fps=settings.scoring.detect_fps)
    stages = (
        Track(detector.detect, lambda: Tracker(detector.classes, **tracking)).track,
        Score(scorer.score, bundle.vocabulary, counts).score,
        Smoother(make_smoothing(settings, bundle)).smooth,
        maker.events,
    )
    links: list[Link] = []
    with _delivery(settings, bundle, sources) as (deliver, record):
        run = Run(bundle, sources, iter(()), counts, source.failed, source, links)
        ahead = _LIVE_AHEAD if any(s.live for s in sources) else _FILES_AHEAD
        all_stages = (*stages, deliver.deliver)
        try:
            with flow(source.rounds(), *all_stages, ahead=ahead, links=links) as rounds:
                run.rounds = _counted(rounds, run.events)
                yield run
        finally:
            record(run.summary())


def open_bundle(settings: Settings) -> Bundle:
    detector_given = settings.detector is not None
    return load_bundle(choose_bundle(settings.bundle, detector_given=detector_given))


def make_detector(settings: Settings, bundle: Bundle) -> Detector:
    """The user's, else the bundle's own."""
    section = bundle.manifest.detector
    classes = section.classes or CLASSES
    if settings.detector is not None:
        return open_detector(settings.detector, classes=classes, threshold=section.threshold)
    if section.file is None:
        raise ModelError(
            f"bundle {bundle.name} has no detector of its own: give --detector "
            "yolox.onnx or the name of a transformers model"
        )
    return open_detector(
        str(bundle.path(section.file)), classes=classes, threshold=section.threshold
    )


def make_smoothing(settings: Settings, bundle: Bundle) -> Smoothing:
    """The bundle's, with what the settings say on top."""
    mine, given = bundle.smoothing, settings.smoothing
    special = dict(mine.get("verbs", {}))
    for verb, values in given.verbs.items():
        if verb not in bundle.vocabulary.verb_names:
            known = ", ".join(bundle.vocabulary.verb_names)
            raise StreamError(f"smoothing.verbs: bundle {bundle.name} knows no {verb!r}: {known}")
        special[verb] = {**special.get(verb, {}), **values}
    merged = {
        "filter": given.filter or mine.get("filter", "average"),
        "default": {**mine.get("default", {}), **given.default},
        "verbs": special,
    }
    try:
        return Smoothing.from_dict(bundle.vocabulary.verb_names, merged)
    except ValueError as error:
        raise StreamError(str(error)) from error


def _make_events(settings: Settings, bundle: Bundle) -> EventMaker:
    return EventMaker(
        bundle.vocabulary,
        make_smoothing(settings, bundle),
        Lifecycle.from_dict(bundle.events),
        bundle=bundle.hash,
        config=settings.hash,
    )


@contextmanager
def _delivery(
    settings: Settings, bundle: Bundle, sources: list[Source]
) -> Iterator[tuple[Deliver, Any]]:
    """Outbox, relay and sinks; yields the stage and a function that records the summary."""
    with ExitStack() as open_things:
        engine = make_engine(settings.database.url)
        open_things.callback(engine.dispose)
        upgrade(engine)
        sessions = make_sessions(engine)
        outbox = open_things.enter_context(closing(claim_outbox(settings.media)))
        sinks: list[Sink] = [DatabaseSink(sessions)]
        if settings.redis.url is not None:
            bus = open_things.enter_context(closing(Bus(settings.redis.url)))
            sinks.append(RedisSink(bus))
        relay = open_things.enter_context(Relay(outbox, sinks))
        relay.flush(_RECOVER_SECONDS)
        if closed := recover(outbox, sessions, cameras=[source.name for source in sources]):
            logger.warning("closed %d events that an earlier run left open", len(closed))
        with sessions.begin() as session:
            run = start_run(
                session,
                sources=[source.shown for source in sources],
                bundle=bundle.hash,
                config=settings.hash,
                started_at=datetime.now(UTC),
            )

        def record(summary: Mapping[str, Any]) -> None:
            if not relay.flush(_FLUSH_SECONDS):
                logger.warning("events wait in %s until their sink is back", outbox.path)
            try:
                with sessions.begin() as session:
                    finish_run(session, run=run, ended_at=datetime.now(UTC), summary=summary)
            except StorageError as error:  # the events are safe; only this record is lost
                logger.warning("the summary is not stored: %s", error)

        yield Deliver(outbox.append, settings.media), record


def _counted(
    rounds: Iterator[Round[EventFrame]], events: Counter[str]
) -> Iterator[Round[EventFrame]]:
    for round_ in rounds:
        for change in changes_of(round_):
            if change.interaction.phase is Phase.END:
                events[change.interaction.verb] += 1
        yield round_
