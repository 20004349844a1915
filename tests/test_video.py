from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import av
import numpy as np
import pytest
import supervision as sv

from storage.interactions import Interaction, Kind, Phase
from stream.errors import StreamError
from stream.frames import Change, EventFrame, Frame, Image, Round
from stream.sources import read_file
from stream.video import Drawing, SaveVideo

TIME = datetime(2026, 1, 1, tzinfo=UTC)
HOLD = Interaction(
    id=UUID(int=1),
    camera="gate",
    kind=Kind.INTERVAL,
    phase=Phase.UPDATE,
    verb="hold",
    human_track="gate:0:1",
    object_track="gate:0:2",
    object_class="cup",
    started_at=TIME,
    ended_at=TIME,
    media_start=0.0,
    media_end=1.0,
    mean_score=0.8,
    peak_score=0.9,
    peak_at=0.5,
    human_box=(40, 60, 80, 140),
    object_box=(120, 90, 140, 110),
    bundle="b",
    config="c",
)
DETECTIONS = sv.Detections(
    np.array([[40, 60, 80, 140], [120, 90, 140, 110]], np.float32),
    class_id=np.array([0, 41]),
    tracker_id=np.array([1, 2]),
    data={"class_name": np.array(["person", "cup"], dtype=object)},
)


def event_frame(
    seconds: float,
    *,
    camera: str = "gate",
    size: tuple[int, int] = (180, 240),
    active: tuple[Interaction, ...] = (),
    changes: tuple[Change, ...] = (),
) -> EventFrame:
    image = np.zeros((*size, 3), np.uint8)
    frame = Frame(camera, 0, 0, seconds, TIME + timedelta(seconds=seconds), image)
    return EventFrame(frame, DETECTIONS, changes, active)


def green(image: Image) -> int:
    """Pixels in the colour of events."""
    distance = np.abs(image.astype(int) - (0x27, 0xAE, 0x60)).sum(2)
    return int((distance < 20).sum())


def test_what_is_going_on_is_drawn_and_the_frame_itself_is_left_alone() -> None:
    frame = event_frame(0.0, active=(HOLD,))
    plain, busy = Drawing().draw(event_frame(0.0)), Drawing().draw(frame)
    assert plain.any()
    assert green(plain) == 0
    assert green(busy) > 500
    assert not frame.frame.image.any()


def test_a_moment_stays_readable_for_a_second() -> None:
    drawing = Drawing()
    kick = replace(HOLD, kind=Kind.MOMENT, phase=Phase.END, verb="kick")
    assert green(drawing.draw(event_frame(1.0, changes=(Change(kick, None),)))) > 500
    assert green(drawing.draw(event_frame(1.9))) > 500
    assert green(drawing.draw(event_frame(2.1))) == 0


def test_frames_keep_their_times(tmp_path: Path) -> None:
    path = tmp_path / "out" / "found.mp4"
    video = SaveVideo(path, ["gate"])
    times = [0.0, 0.04, 0.5, 0.54, 2.0]
    for seconds in times:
        video.write(Round((event_frame(seconds),)))
    video.close()
    assert video.paths == [path]
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.name == "h264"
    assert [frame.media_time for frame in read_file(path)] == pytest.approx(times, abs=0.002)


def test_odd_and_changing_sizes_are_written(tmp_path: Path) -> None:
    video = SaveVideo(tmp_path / "a.mp4", ["gate"])
    for n, size in enumerate([(181, 241), (181, 241), (90, 120)]):
        video.write(Round((event_frame(n / 10, size=size),)))
    video.close()
    shapes = [frame.image.shape for frame in read_file(tmp_path / "a.mp4")]
    assert shapes == [(180, 240, 3)] * 3


def test_every_camera_has_its_own_file(tmp_path: Path) -> None:
    video = SaveVideo(tmp_path / "a.mp4", ["gate", "yard"])
    frames = (event_frame(0.0), event_frame(0.0, camera="yard"))
    video.write(Round(frames))
    video.close()
    assert [path.name for path in video.paths] == ["a-gate.mp4", "a-yard.mp4"]
    assert all(len(list(read_file(path))) == 1 for path in video.paths)


def test_a_place_that_cannot_be_written_gives_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    video = SaveVideo(tmp_path / "file" / "a.mp4", ["gate"])
    write: Callable[[Round[EventFrame]], None] = video.write
    with pytest.raises(StreamError, match="cannot be written"):
        write(Round((event_frame(0.0),)))
