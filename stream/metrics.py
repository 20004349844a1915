"""Numbers of a run for Prometheus, and whether it lives and is ready; read when somebody asks.

`/metrics` in Prometheus' text format, `/live` 200 while frames get through, `/ready` 200 while some
camera gives frames and the database takes events; both say in JSON what they know.
"""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from socketserver import ThreadingMixIn
from typing import Any, cast
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, PlatformCollector, ProcessCollector, make_wsgi_app
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.registry import Collector

from storage.relay import SinkState
from stream.alerting import AlertCounts
from stream.errors import StreamError
from stream.stats import FrameCounts, Latency, Link, Timing

logger = logging.getLogger(__name__)

_STUCK_SECONDS = 60.0  # frames come in and none gets through: a stage hangs
_SILENT_SECONDS = 30.0  # no camera gave a frame for so long


@dataclass(frozen=True)
class OutboxState:
    """How full the outbox is, and what it could not take."""

    bytes: int = 0
    most_bytes: int = 0
    left_out: int = 0  # vector samples
    in_memory: int = 0  # events that the full disk does not take


@dataclass(eq=False)
class Numbers:
    """All that is counted in a run, by those who do it; here it is only read."""

    counts: FrameCounts
    links: Sequence[Link] = ()
    timings: dict[str, Timing] = field(default_factory=dict)  # by stage with a model
    latency: Latency = field(default_factory=Latency)  # of live sources: frame taken to event kept
    events: Mapping[str, int] = field(default_factory=dict)  # ended ones by verb
    sinks: Callable[[], Mapping[str, SinkState]] = dict
    outbox: Callable[[], OutboxState] = OutboxState
    alerts: AlertCounts = field(default_factory=AlertCounts)
    moved: float = field(default_factory=time.monotonic)  # when a round came through last

    def stuck_seconds(self) -> float:
        """How long nothing has come through although frames came in; 0: all is well."""
        now = time.monotonic()
        came = [now - age for age in self.counts.ages().values()]
        return max(0.0, now - self.moved) if came and max(came) > self.moved else 0.0

    def is_alive(self) -> bool:
        return self.stuck_seconds() < _STUCK_SECONDS

    def is_ready(self) -> bool:
        seen = any(age < _SILENT_SECONDS for age in self.counts.ages().values())
        kept = all(s.error is None for n, s in self.sinks().items() if n.startswith("database"))
        return seen and kept and not self.outbox().in_memory and self.is_alive()

    def state(self) -> dict[str, Any]:
        """What `/live` and `/ready` say besides yes or no."""
        return {
            "alive": self.is_alive(),
            "ready": self.is_ready(),
            "frame_age_seconds": {c: round(a, 2) for c, a in sorted(self.counts.ages().items())},
            "lost": {f"{c} {trouble}": n for (c, trouble), n in sorted(self.counts.lost.items())},
            "events_in_memory": self.outbox().in_memory,
            "sinks": {n: {"waiting": s.waiting, "error": s.error} for n, s in self.sinks().items()},
        }


class _Collector(Collector):
    def __init__(self, numbers: Numbers) -> None:
        self._numbers = numbers

    def describe(self) -> Iterable[Metric]:
        return ()  # nothing is collected at registration

    def collect(self) -> Iterator[Metric]:
        yield from self._frames()
        yield from self._cameras()
        yield from self._stages()
        yield from self._events()
        yield from self._alerts()

    def _frames(self) -> Iterator[Metric]:
        fates = CounterMetricFamily(
            "hoi_frames", "Frames by what became of them.", labels=["camera", "fate", "reason"]
        )
        for (camera, fate), frames in self._numbers.counts.fates().items():
            kind, _, reason = fate.partition(" ")
            fates.add_metric([camera, kind, reason], frames)
        yield fates

    def _cameras(self) -> Iterator[Metric]:
        counts = self._numbers.counts
        age = GaugeMetricFamily(
            "hoi_frame_age_seconds", "Since a camera's last frame.", labels=["camera"]
        )
        for camera, seconds in counts.ages().items():
            age.add_metric([camera], seconds)
        yield age
        lost = CounterMetricFamily(
            "hoi_source_lost", "How often a live source was lost.", labels=["camera", "trouble"]
        )
        for (camera, trouble), times in counts.lost.items():
            lost.add_metric([camera, trouble], times)
        yield lost
        offset = GaugeMetricFamily(
            "hoi_clock_offset_seconds", "How far a camera's clock is ahead.", labels=["camera"]
        )
        drift = GaugeMetricFamily(
            "hoi_clock_drift_seconds", "Media time gained since the epoch began.", labels=["camera"]
        )
        for camera, (ahead, gained) in counts.clocks.items():
            if ahead is not None:
                offset.add_metric([camera], ahead)
            if gained is not None:
                drift.add_metric([camera], gained)
        yield from (offset, drift)

    def _stages(self) -> Iterator[Metric]:
        waiting = GaugeMetricFamily(
            "hoi_queue_rounds", "Rounds that wait behind a stage.", labels=["stage"]
        )
        for link in self._numbers.links:
            waiting.add_metric([link.name], link.waiting)
        yield waiting
        calls = SummaryMetricFamily(
            "hoi_model_seconds", "Time in calls of a model.", labels=["stage"]
        )
        items = CounterMetricFamily(
            "hoi_model_frames", "Frames in calls of a model; per call: the batch.", labels=["stage"]
        )
        for stage, timing in self._numbers.timings.items():
            calls.add_metric([stage], timing.calls, timing.seconds)
            items.add_metric([stage], timing.items)
        yield from (calls, items)

    def _events(self) -> Iterator[Metric]:
        events = CounterMetricFamily("hoi_events", "Interactions that ended.", labels=["verb"])
        for verb, number in dict(self._numbers.events).items():
            events.add_metric([verb], number)
        yield events
        buckets, total = self._numbers.latency.histogram()
        bounds = [("+Inf" if b == float("inf") else str(b), float(n)) for b, n in buckets]
        yield HistogramMetricFamily(
            "hoi_event_latency_seconds",
            "Live: from the frame that decided to the event kept.",
            buckets=bounds,
            sum_value=total,
        )
        rows = GaugeMetricFamily(
            "hoi_outbox_rows", "Events that a sink still has to take.", labels=["sink"]
        )
        down = GaugeMetricFamily("hoi_sink_down", "1: it does not take events.", labels=["sink"])
        for name, state in self._numbers.sinks().items():
            rows.add_metric([name], state.waiting)
            down.add_metric([name], float(state.error is not None))
        yield from (rows, down)
        outbox = self._numbers.outbox()
        yield GaugeMetricFamily("hoi_outbox_bytes", "Disk that events wait on.", outbox.bytes)
        yield GaugeMetricFamily("hoi_outbox_limit_bytes", "Its limit.", outbox.most_bytes)
        yield GaugeMetricFamily(
            "hoi_events_in_memory", "Events that a full disk does not take.", outbox.in_memory
        )
        yield CounterMetricFamily(
            "hoi_samples_left_out", "Vector samples without room.", outbox.left_out
        )

    def _alerts(self) -> Iterator[Metric]:
        counts = self._numbers.alerts
        alerts = CounterMetricFamily("hoi_alerts", "Of standing questions.", labels=["fate"])
        alerts.add_metric(["made"], counts.made)
        alerts.add_metric(["held_back"], counts.held)
        yield alerts
        tries = CounterMetricFamily(
            "hoi_alert_attempts", "Tries to deliver.", labels=["channel", "state"]
        )
        for (kind, state), number in dict(counts.attempts).items():
            tries.add_metric([kind, state], number)
        yield tries
        yield GaugeMetricFamily("hoi_alerts_waiting", "To be delivered.", counts.waiting)


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        """Probes come every few seconds."""


@contextmanager
def serve_metrics(address: str, numbers: Numbers) -> Iterator[int]:
    """Answers at `host:port` or `:port` (all of the machine's addresses); yields the port."""
    host, _, port = address.rpartition(":")
    if not port.isdecimal() or int(port) > 65535:
        raise StreamError(f"metrics address {address!r}: write :9108 or 127.0.0.1:9108")
    registry = CollectorRegistry()
    registry.register(_Collector(numbers))
    ProcessCollector(registry=registry)
    PlatformCollector(registry=registry)
    pages = make_wsgi_app(registry)
    probes = {"/live": numbers.is_alive, "/ready": numbers.is_ready}

    def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = str(environ["PATH_INFO"])
        if path == "/metrics":
            return cast(Iterable[bytes], pages(environ, start_response))
        good = probes[path]() if path in probes else None
        status = {True: "200 OK", False: "503 Service Unavailable", None: "404 Not Found"}[good]
        start_response(status, [("Content-Type", "application/json")])
        pages_there = {"pages": ["/metrics", *probes]}
        return [json.dumps(pages_there if good is None else numbers.state()).encode()]

    try:
        server = make_server(
            host.strip("[]"), int(port), application, server_class=_Server, handler_class=_Quiet
        )
    except OSError as error:
        raise StreamError(f"metrics address {address}: {error.strerror or error}") from error
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
