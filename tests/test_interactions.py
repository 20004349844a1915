"""The event survives its JSON form, and has one id for ever."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from storage.interactions import EndReason, Interaction, Kind, Phase, interaction_id

NOON = datetime(2026, 5, 1, 12, 0, 0, 123456, tzinfo=UTC)


def make_interaction(number: float = 0, **changes: Any) -> Interaction:
    """A finished "person picks up box", `number` seconds after noon."""
    started_at = NOON + timedelta(seconds=number)
    values: dict[str, Any] = {
        "camera": "gate",
        "kind": Kind.INTERVAL,
        "phase": Phase.END,
        "verb": "pick up",
        "human_track": "gate:0:3",
        "object_track": "gate:0:7",
        "object_class": "box",
        "started_at": started_at,
        "ended_at": started_at + timedelta(seconds=2.5),
        "media_start": 10.0 + number,
        "media_end": 12.5 + number,
        "mean_score": 0.71,
        "peak_score": 0.93,
        "peak_at": 11.0 + number,
        "human_box": (10.5, 20.25, 110.0, 320.0),
        "object_box": (60.0, 200.0, 90.0, 230.0),
        "bundle": "b" * 64,
        "config": "c" * 64,
        "end_reason": EndReason.ENDED,
        "vector": np.linspace(-1, 1, 16).astype(np.float16),
        "snapshot": "gate/2026/1.jpg",
        "clip": None,
    }
    values |= changes
    if values["phase"] is not Phase.END:
        values["end_reason"] = None
    names = ("camera", "verb", "human_track", "object_track", "started_at", "bundle", "config")
    id_ = interaction_id(**{name: values[name] for name in names})
    return Interaction(**({"id": id_} | values))


def test_json_keeps_every_field() -> None:
    interaction = make_interaction()
    back = Interaction.from_json(interaction.to_json())
    assert back == interaction
    assert back.vector is not None
    assert np.array_equal(back.vector, np.asarray(interaction.vector))


def test_json_of_a_newer_program_with_more_fields_can_be_read() -> None:
    row = make_interaction().to_dict() | {"weather": "rain"}
    assert Interaction.from_dict(row) == make_interaction()


def test_naive_times_are_an_error() -> None:
    with pytest.raises(ValueError, match="aware"):
        replace(make_interaction(), started_at=datetime(2026, 5, 1))


def test_the_same_happening_has_the_same_id_and_another_has_another() -> None:
    assert make_interaction(1).id == make_interaction(1, phase=Phase.START).id
    assert len({make_interaction(n).id for n in range(100)}) == 100
    assert make_interaction().id != make_interaction(config="d" * 64).id
