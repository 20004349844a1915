"""What a scraper and a container's health check are told, over real HTTP."""

import json
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from configs.settings import load
from storage.relay import SinkState
from stream.alerting import AlertCounts
from stream.build import open_run
from stream.errors import StreamError
from stream.metrics import Numbers, OutboxState, serve_metrics
from stream.stats import FrameCounts, Link, Timing
from tests.conftest import free_port


def get(port: int, path: str) -> tuple[int, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()


def samples(text: str) -> dict[tuple[str, tuple[str, ...]], float]:
    """By name and label values."""
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@pytest.fixture
def numbers() -> Numbers:
    counts = FrameCounts()
    for _ in range(5):
        counts.decode("gate")
    counts.score("gate")
    counts.drop("gate", "stale", 3)
    counts.gate("gate", "no_human")
    counts.lose("yard", "auth")
    counts.clock("gate", offset=0.25, drift=-0.5)
    timing = Timing()
    timing.add(0.5, 4)
    link = Link("track")
    link.waiting = 2
    made = Numbers(counts, [link], {"detect": timing}, events={"hold": 7})
    made.latency.add(0.15)
    made.latency.add(0.45)
    return made


@pytest.fixture
def port(numbers: Numbers) -> Iterator[int]:
    with serve_metrics("127.0.0.1:0", numbers) as number:
        yield number


def test_every_number_can_be_scraped(port: int, numbers: Numbers) -> None:
    numbers.sinks = lambda: {"redis 1": SinkState(12, 0, "refused")}
    numbers.outbox = lambda: OutboxState(900, 1000, 7)
    numbers.alerts = AlertCounts(3, 4, 5, Counter({("webhook", "failed"): 6}))
    got = samples(get(port, "/metrics")[1])
    expected = {
        ("hoi_frames_total", ("gate", "decoded", "")): 5,
        ("hoi_frames_total", ("gate", "scored", "")): 1,
        ("hoi_frames_total", ("gate", "dropped", "stale")): 3,
        ("hoi_frames_total", ("gate", "gated", "no_human")): 1,
        ("hoi_source_lost_total", ("yard", "auth")): 1,
        ("hoi_clock_offset_seconds", ("gate",)): 0.25,
        ("hoi_clock_drift_seconds", ("gate",)): -0.5,
        ("hoi_queue_rounds", ("track",)): 2,
        ("hoi_model_seconds_sum", ("detect",)): 0.5,
        ("hoi_model_frames_total", ("detect",)): 4,
        ("hoi_events_total", ("hold",)): 7,
        ("hoi_event_latency_seconds_bucket", ("0.2",)): 1,
        ("hoi_event_latency_seconds_bucket", ("0.5",)): 2,
        ("hoi_event_latency_seconds_count", ()): 2,
        ("hoi_outbox_rows", ("redis 1",)): 12,
        ("hoi_outbox_bytes", ()): 900,
        ("hoi_outbox_limit_bytes", ()): 1000,
        ("hoi_samples_left_out_total", ()): 7,
        ("hoi_sink_down", ("redis 1",)): 1,
        ("hoi_alerts_total", ("made",)): 3,
        ("hoi_alerts_total", ("held_back",)): 4,
        ("hoi_alert_attempts_total", ("webhook", "failed")): 6,
        ("hoi_alerts_waiting", ()): 5,
    }
    assert {key: got.get(key) for key in expected} == expected
    assert got["hoi_frame_age_seconds", ("gate",)] < 5
    assert got["process_resident_memory_bytes", ()] > 1e6


def test_ready_needs_a_camera_and_a_database(port: int, numbers: Numbers) -> None:
    assert get(port, "/ready")[0] == 200
    numbers.sinks = lambda: {"database 1": SinkState(3, 0, "connection refused")}
    status, text = get(port, "/ready")
    assert status == 503
    assert json.loads(text)["sinks"]["database 1"] == {"waiting": 3, "error": "connection refused"}
    numbers.sinks = lambda: {"redis 1": SinkState(3, 0, "refused")}
    assert get(port, "/ready")[0] == 200, "without Redis events are still kept"
    numbers.counts = FrameCounts()
    assert get(port, "/ready")[0] == 503


def test_a_stage_that_hangs_is_not_alive(port: int, numbers: Numbers) -> None:
    assert get(port, "/live")[0] == 200
    numbers.moved -= 120
    assert get(port, "/live")[0] == 503
    numbers.counts = FrameCounts()
    assert get(port, "/live")[0] == 200, "without a camera nothing can move"


def test_other_pages_are_not_there(port: int) -> None:
    assert get(port, "/etc/passwd")[0] == 404


@pytest.mark.parametrize("address", ["", "9108x", "localhost:", ":99999"])
def test_an_address_that_cannot_be_used_gives_one_line(address: str, numbers: Numbers) -> None:
    with pytest.raises(StreamError, match="metrics address"), serve_metrics(address, numbers):
        pass


def test_a_port_that_is_taken_gives_one_line(port: int, numbers: Numbers) -> None:
    with (
        pytest.raises(StreamError, match="in use"),
        serve_metrics(f"127.0.0.1:{port}", numbers),
    ):
        pass


def test_a_run_tells_its_numbers_while_it_goes(video: Path, tmp_path: Path) -> None:
    port = free_port()
    settings: Any = load(
        cameras=({"url": str(video)},),
        bundle="world-boxes",
        database={"url": f"sqlite:///{tmp_path / 'e.db'}"},
        media=str(tmp_path / "media"),
        metrics={"address": f"127.0.0.1:{port}"},
    )
    with open_run(settings) as run:
        for _ in run.rounds:
            pass
        got = samples(get(port, "/metrics")[1])
    assert got["hoi_frames_total", ("video", "decoded", "")] == 25
    assert got["hoi_model_frames_total", ("detect",)] == 25
    with pytest.raises(urllib.error.URLError):
        get(port, "/live")
