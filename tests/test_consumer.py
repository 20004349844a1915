"""The documented contract: messages fit the schema, and the example consumer handles each once."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from storage.bus import STREAM, Bus
from storage.interactions import EndReason, Interaction, Phase, RejectedPair, Rivals
from storage.outbox import OutboxRow
from tests.conftest import RedisServer
from tests.test_interactions import make_interaction

DOCS = Path(__file__).parents[1] / "docs"
SCHEMA = json.loads((DOCS / "events.schema.json").read_text())


def consume(server: RedisServer, name: str = "one") -> list[str]:
    script = DOCS / "examples" / "consumer.py"
    command = [sys.executable, str(script), server.url, "--group", "bell", "--name", name, "--once"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    return done.stdout.splitlines()


def publish(server: RedisServer, *events: Interaction, first: int = 0) -> None:
    rows = [OutboxRow(n, f"test:{n}", event) for n, event in enumerate(events, first)]
    Bus(server.url).publish(rows)


@pytest.mark.parametrize(
    "event",
    [
        make_interaction(phase=Phase.START, vector=None),
        make_interaction(end_reason=EndReason.CRASH, snapshot=None),
        make_interaction(
            rivals=Rivals((("hold", 0.4),), RejectedPair("a:0:1", "a:0:2", "cup", 0.3)),
            clip="clips/x.mp4",
            clip_peak=3.5,
        ),
    ],
)
def test_every_event_fits_the_schema(event: Interaction) -> None:
    message = json.loads(event.to_json())
    jsonschema.validate(message, SCHEMA)
    wrong = message | {"phase": "paused"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(wrong, SCHEMA)


def test_the_page_names_every_field() -> None:
    page = (DOCS / "events.md").read_text()
    assert [name for name in SCHEMA["properties"] if f"`{name}`" not in page] == []


def test_the_example_handles_every_event_once(redis_server: RedisServer) -> None:
    events = [make_interaction(n, phase=phase) for n in range(150) for phase in Phase]
    publish(redis_server, *events)
    publish(redis_server, *events[:90])  # delivered twice
    lines = consume(redis_server)
    assert len(lines) == len(set(lines)) == 150
    assert lines[0] == f"{events[0].started_at.isoformat()} gate:0:3 pick up box"
    assert consume(redis_server) == []
    publish(redis_server, make_interaction(500), first=1000)
    assert len(consume(redis_server, "two")) == 1


def test_the_example_goes_on_with_what_a_crash_left(redis_server: RedisServer) -> None:
    publish(redis_server, make_interaction(0), make_interaction(1))
    client = Bus(redis_server.url)._client
    client.xgroup_create(STREAM, "bell", id="0")
    client.xreadgroup("bell", "one", {STREAM: ">"}, count=2)  # and here it dies
    assert len(consume(redis_server)) == 2


def test_the_example_skips_what_it_cannot_know(redis_server: RedisServer) -> None:
    publish(redis_server, make_interaction(0))
    client = Bus(redis_server.url)._client
    client.xadd(STREAM, {"v": "9", "key": "x", "shape": "unknown"})
    publish(redis_server, replace(make_interaction(2), camera="späti"), first=7)
    assert len(consume(redis_server)) == 2
