import json
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
import pytest
import supervision as sv

from storage.errors import StorageError
from storage.interactions import EndReason, Interaction, Kind, Phase
from storage.outbox import Record
from stream.deliver import Deliver, snapshot_place
from stream.frames import Change, EventFrame, Frame, Image, Round

TIME = datetime(2026, 3, 4, 23, 59, tzinfo=UTC)
EVENT = Interaction(
    id=uuid.UUID(int=7),
    camera="gate",
    kind=Kind.INTERVAL,
    phase=Phase.START,
    verb="hold",
    human_track="gate:0:1",
    object_track="gate:0:2",
    object_class="cup",
    started_at=TIME,
    ended_at=TIME,
    media_start=1.0,
    media_end=2.0,
    mean_score=0.8,
    peak_score=0.9,
    peak_at=1.5,
    human_box=(0, 0, 10, 20),
    object_box=(5, 5, 9, 9),
    bundle="b",
    config="c",
)


def picture(level: int, size: tuple[int, int] = (48, 64)) -> Image:
    return np.full((*size, 3), (level, 0, 0), np.uint8)


def round_of(*changes: Change, closing: tuple[Change, ...] = ()) -> Round[EventFrame]:
    frame = Frame("gate", 0, 0, 0.0, TIME, picture(0))
    return Round((EventFrame(frame, sv.Detections.empty(), changes, ()),), closing=closing)


class Kept:
    """An outbox that only remembers."""

    def __init__(self) -> None:
        self.calls: list[list[Interaction]] = []

    def append(self, records: Sequence[Record]) -> None:
        self.calls.append([one for one in records if isinstance(one, Interaction)])


def test_the_picture_of_the_best_moment_lies_below_the_media_folder(tmp_path: Path) -> None:
    kept = Kept()
    end = replace(EVENT, phase=Phase.END, end_reason=EndReason.ENDED)
    rounds = [
        round_of(Change(EVENT, picture(100))),
        round_of(Change(replace(EVENT, phase=Phase.UPDATE), picture(150))),
        round_of(Change(end, picture(200))),
    ]
    out = list(Deliver(kept.append, tmp_path).deliver(rounds))
    place = f"snapshots/2026-03-04/{EVENT.id}.jpg"
    assert [[one.snapshot for one in call] for call in kept.calls] == [[place], [None], [place]]
    assert out[2].frames[0].changes[0].interaction.snapshot == place
    bgr = cv2.imread(str(tmp_path / place))
    assert bgr is not None
    assert np.allclose(bgr[24, 32], (0, 0, 200), atol=6)
    assert sorted(path.name for path in tmp_path.rglob("*.*")) == [f"{EVENT.id}.jpg"]


def test_the_outbox_has_the_event_before_the_round_goes_on(tmp_path: Path) -> None:
    kept = Kept()
    rounds = Deliver(kept.append, tmp_path).deliver([round_of(Change(EVENT, None)), round_of()])
    next(rounds)
    assert len(kept.calls) == 1
    next(rounds)
    assert len(kept.calls) == 1


def test_events_that_close_with_their_camera_are_delivered(tmp_path: Path) -> None:
    kept = Kept()
    closing = (Change(replace(EVENT, phase=Phase.END), picture(1)),)
    (out,) = Deliver(kept.append, tmp_path).deliver([round_of(closing=closing)])
    assert kept.calls[0][0].snapshot == snapshot_place(EVENT)
    assert out.closing[0].interaction == kept.calls[0][0]


def test_an_event_without_room_for_its_picture_is_still_delivered(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "media").write_text("a file where the folder should be")
    kept = Kept()
    rounds = [round_of(Change(EVENT, picture(1))), round_of(Change(EVENT, picture(1)))]
    list(Deliver(kept.append, tmp_path / "media").deliver(rounds))
    assert [call[0].snapshot for call in kept.calls] == [None, None]
    assert caplog.text.count("no pictures") == 1


def test_a_large_picture_is_made_smaller(tmp_path: Path) -> None:
    change = Change(EVENT, picture(9, (1080, 1920)))
    list(Deliver(Kept().append, tmp_path).deliver([round_of(change)]))
    image = cv2.imread(str(tmp_path / snapshot_place(EVENT)))
    assert image is not None
    assert image.shape == (720, 1280, 3)
    assert json.loads(EVENT.to_json())["snapshot"] is None


class FullDisk(Kept):
    """Takes nothing for a while."""

    def __init__(self) -> None:
        super().__init__()
        self.full = True

    def append(self, records: Sequence[Record]) -> None:
        if self.full:
            raise StorageError("outbox x: database or disk is full")
        super().append(records)


def test_events_wait_in_memory_while_the_disk_is_full_and_keep_their_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("stream.deliver._RETRY_SECONDS", 0.0)
    disk, events = FullDisk(), [replace(EVENT, id=uuid.UUID(int=n)) for n in range(5)]

    def rounds() -> Iterator[Round[EventFrame]]:
        for n, event in enumerate(events):
            disk.full = n < 3
            yield round_of(Change(event, None))

    deliver = Deliver(disk.append, tmp_path)
    waiting = [deliver.waiting for _ in deliver.deliver(rounds())]
    assert waiting == [1, 2, 3, 0, 0]
    assert [one for call in disk.calls for one in call] == events
    assert caplog.text.count("wait in memory") == 1


def test_a_disk_that_stays_full_ends_the_run_before_memory_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.deliver._MOST_WAITING", 10)
    monkeypatch.setattr("stream.deliver._RETRY_SECONDS", 0.0)
    rounds = Deliver(FullDisk().append, tmp_path).deliver(
        round_of(Change(EVENT, None)) for _ in range(99)
    )
    with pytest.raises(StorageError, match="disk is full"):
        list(rounds)


def test_events_that_still_wait_at_the_end_are_not_forgotten(tmp_path: Path) -> None:
    disk = FullDisk()
    with pytest.raises(StorageError, match="disk is full"):
        list(Deliver(disk.append, tmp_path).deliver([round_of(Change(EVENT, None))]))
