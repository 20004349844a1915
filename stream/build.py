"""The composition root: settings become sources, models, stages and sinks; nothing else does.

What the bundle says is `build_bundle.py`, what comes behind the events `build_delivery.py`.
"""

import time
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from configs.settings import Settings, SettingsError, load
from models.bundle import Bundle
from models.device import share_processors
from models.scorer import PairScorer, load_scorer, make_looker
from models.tracker import Tracker
from storage.database import Sessions
from storage.interactions import Phase
from stream.addresses import Reading, Source, Wanted, find_sources
from stream.alerting import Alerting
from stream.build_alerts import make_teller
from stream.build_bundle import (
    make_detector,
    make_events,
    make_listening,
    make_smoothing,
    open_bundle,
)
from stream.build_delivery import open_delivery
from stream.careful import Careful, Quarantine
from stream.errors import StreamError
from stream.flow import Stage, flow
from stream.frames import EventFrame, Round, ScoredFrame, TrackedFrame, changes_of
from stream.look import Look
from stream.metrics import Numbers, serve_metrics
from stream.packets import Rings
from stream.reload import Reloader, reloading
from stream.rounds import Rounds
from stream.score import Score
from stream.smooth import Smoother
from stream.stats import FrameCounts, Link, Timing, bottleneck
from stream.track import Detect, Track

_FILES_AHEAD, _LIVE_AHEAD = 4, 1  # rounds between two stages; for live each adds to the latency
_FILES_TOGETHER = 4  # frames in a pass of the scorer; what is live never waits for others


@dataclass
class Run:
    """A running pipeline: iterate `rounds`; every event in them is already in the outbox."""

    bundle: Bundle
    sources: list[Source]
    rounds: Iterator[Round[EventFrame]]
    counts: FrameCounts
    numbers: Numbers
    failed: Mapping[str, Exception]  # sources that could not be read, by camera
    _source: Rounds
    links: list[Link] = field(default_factory=list)
    started_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    ended_at: datetime | None = None  # when the last round came out
    events: Counter[str] = field(default_factory=Counter)  # ended ones by verb

    def stop(self) -> None:
        """Read no more; what was read goes through, and open events are closed."""
        self._source.stop()

    def summary(self) -> dict[str, Any]:
        """What became of every frame, and how long it took."""
        seconds = ((self.ended_at or datetime.now(UTC)) - self.started_at).total_seconds()
        lost: Counter[str] = Counter()
        for (_, trouble), times in self.counts.lost.items():
            lost[str(trouble)] += times
        return {
            "frames": self.counts.decoded,
            "dropped": self.counts.dropped,
            "scored": self.counts.scored,
            "gated": self.counts.gated,
            "lost": dict(lost),
            "events": dict(self.events.most_common()),
            "seconds": round(seconds, 2),
            "frames_per_second": round(self.counts.decoded / max(seconds, 1e-9), 1),
            "bottleneck": bottleneck(self.links),
            "failed": {camera: str(error) for camera, error in self.failed.items()},
            "waiting": {name: sink.waiting for name, sink in self.numbers.sinks().items()},
        }


def wanted_sources(settings: Settings) -> list[Source]:
    """The cameras of the settings, with the rates that hold for all filled in."""
    scoring = settings.scoring
    return find_sources(
        Wanted(
            camera.url,
            camera.name,
            Reading(
                camera.fps or scoring.detect_fps,
                0.0 if camera.role == "tracks" else camera.score_fps or scoring.score_fps,
                camera.transport,
                camera.hardware,
            ),
        )
        for camera in settings.cameras
    )


@contextmanager
def open_run(settings: Settings, *, config: Path | None = None) -> Iterator[Run]:
    """The pipeline that the settings describe, until the block ends; then all is flushed.

    With the file that the cameras come from, they follow its changes.
    """
    sources = wanted_sources(settings)
    if not sources:
        raise StreamError("nothing to watch: give --source, or cameras in the --config file")
    bundle = open_bundle(settings)
    share_processors()
    scorer = load_scorer(bundle)
    counts, rates, links = FrameCounts(), _Rates(sources), list[Link]()
    live = any(source.live for source in sources)
    rings = Rings() if settings.clips.enabled else None
    source = Rounds(sources, counts=counts, stay=live and config is not None, rings=rings)
    numbers = Numbers(counts, links, {"detect": Timing(), "score": Timing()})
    together = 1 if live else max(1, _FILES_TOGETHER // len(sources))
    stages = _make_stages(settings, bundle, scorer, numbers, rates, together)
    with ExitStack() as open_things:
        delivery = open_things.enter_context(open_delivery(settings, bundle, sources, rings))
        run = Run(bundle, sources, iter(()), counts, numbers, source.failed, source, links)
        numbers.events, numbers.sinks = run.events, delivery.relay.backlog
        numbers.outbox = delivery.outbox_state
        if settings.alerts.enabled:
            alerting = _make_alerting(settings, bundle, scorer, delivery.sessions)
            numbers.alerts = alerting.counts
            open_things.enter_context(alerting)
            open_things.callback(alerting.finish)  # with what the last flush has brought
        open_things.callback(lambda: delivery.record(run.summary()))
        if settings.metrics.address is not None:
            open_things.enter_context(serve_metrics(settings.metrics.address, numbers))
        if config is not None:
            reloader = Reloader(
                lambda: wanted_sources(load(config)),
                source,
                sources,
                mistakes=(StreamError, SettingsError),
                on_change=rates.update,
            )
            open_things.enter_context(reloading(reloader, config))
        rounds = open_things.enter_context(
            flow(
                source.rounds(),
                *stages,
                delivery.stage.deliver,
                ahead=_LIVE_AHEAD if live else _FILES_AHEAD,
                on_demand=live,
                links=links,
            )
        )
        run.rounds = _counted(rounds, run, {source.name for source in sources if source.live})
        yield run


def _make_stages(
    settings: Settings,
    bundle: Bundle,
    scorer: PairScorer,
    numbers: Numbers,
    rates: "_Rates",
    together: int,
) -> tuple[Stage, ...]:
    """From frames to events; `together` rounds are scored in one pass."""
    detector = make_detector(settings, bundle)
    tracking: Mapping[str, Any] = bundle.tracking
    counts, timings = numbers.counts, numbers.timings
    quarantine = Quarantine(settings.media / "quarantine")
    score = Score(
        Careful(
            "score",
            lambda items: scorer.score(*zip(*items, strict=True)),
            quarantine,
            timings["score"],
        ),
        bundle.vocabulary,
        counts,
        rates.by_camera,
        together=together,
    )
    return (
        Detect(Careful("detect", detector.detect, quarantine, timings["detect"]), counts).detect,
        Track(lambda: Tracker(detector.classes, **tracking), quarantine, counts).track,
        _looking(settings, bundle, scorer, numbers, quarantine, score.score),
        Smoother(make_smoothing(settings, bundle)).smooth,
        make_events(settings, bundle, lambda: scorer.verb_names).events,
    )


def _looking(
    settings: Settings,
    bundle: Bundle,
    scorer: PairScorer,
    numbers: Numbers,
    quarantine: Quarantine,
    scoring: Stage,
) -> Stage:
    """Looks at tracks as well, in the thread that scores: both use the same towers."""
    looker = make_looker(scorer) if settings.vectors.looks else None
    if looker is None:
        return scoring
    timing = numbers.timings["look"] = Timing()
    look = Look.through(looker, bundle.vocabulary.objects, quarantine, timing).look

    def score(rounds: Iterable[Round[TrackedFrame]]) -> Iterator[Round[ScoredFrame]]:
        return look(scoring(rounds))

    return score


def _make_alerting(
    settings: Settings, bundle: Bundle, scorer: PairScorer, sessions: Sessions
) -> Alerting:
    teller, listening = make_teller(settings), make_listening(bundle, scorer)
    return Alerting(sessions, teller.send, listen=listening)


class _Rates:
    """How often cameras are scored; follows the configuration."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.by_camera: dict[str, float] = {}
        self.update(sources)

    def update(self, sources: Sequence[Source]) -> None:
        rates = {s.name: s.reading.score_fps for s in sources if s.reading.score_fps is not None}
        for name in set(self.by_camera) - set(rates):
            del self.by_camera[name]
        self.by_camera.update(rates)


def _counted(
    rounds: Iterator[Round[EventFrame]], run: Run, live: Collection[str]
) -> Iterator[Round[EventFrame]]:
    for round_ in rounds:
        run.numbers.moved = time.monotonic()
        for frame in round_.frames:
            if frame.changes and frame.frame.camera in live:
                age = datetime.now(UTC) - frame.frame.wall_time
                run.numbers.latency.add(max(0.0, age.total_seconds()))
        for change in changes_of(round_):
            if change.interaction.phase is Phase.END:
                run.events[change.interaction.verb] += 1
        yield round_
    run.ended_at = datetime.now(UTC)
