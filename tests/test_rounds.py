import logging
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from stream.addresses import Source, Wanted, find_sources
from stream.errors import SourceError
from stream.frames import Frame, Round
from stream.rounds import Rounds
from stream.stats import FrameCounts

MakeVideo = Callable[..., Path]


def sources(*paths: Path) -> list[Source]:
    return find_sources(Wanted(str(path)) for path in paths)


def test_files_take_turns_and_lose_nothing(make_video: MakeVideo) -> None:
    counts = FrameCounts()
    pair = sources(make_video("a.mp4", frames=5), make_video("b.mp4", frames=8))
    rounds = list(Rounds(pair, counts=counts).rounds())
    shape = [({frame.camera for frame in r.frames}, r.ended) for r in rounds]
    assert shape[:5] == [({"a", "b"}, ())] * 5
    assert shape[5] == ({"b"}, ("a",))
    assert shape[6:] == [({"b"}, ()), ({"b"}, ()), (set(), ("b",))]
    assert counts.decoded == 13
    assert counts.dropped == {}


def test_two_runs_over_files_give_the_same_rounds(make_video: MakeVideo) -> None:
    pair = sources(make_video("a.mp4", frames=9), make_video("b.mp4", frames=4))

    def shape() -> list[list[tuple[str, int, float]]]:
        rounds = Rounds(pair, counts=FrameCounts()).rounds()
        return [[(f.camera, f.index, f.media_time) for f in r.frames] for r in rounds]

    assert shape() == shape()


def test_a_source_that_fails_does_not_stop_the_others(
    tmp_path: Path, video: Path, caplog: pytest.LogCaptureFixture
) -> None:
    rounds = Rounds(sources(tmp_path / "missing.mp4", video), counts=FrameCounts())
    with caplog.at_level(logging.ERROR):
        assert sum(len(r.frames) for r in rounds.rounds()) == 25
    assert "missing.mp4: there is no such file" in caplog.text
    assert list(rounds.failed) == ["missing"]


def test_when_no_source_opens_the_error_is_raised(tmp_path: Path) -> None:
    rounds = Rounds(sources(tmp_path / "a.mp4", tmp_path / "b.mp4"), counts=FrameCounts())
    with pytest.raises(SourceError, match="no such file"):
        list(rounds.rounds())


def test_stopping_ends_every_camera_and_accounts_for_every_frame(make_video: MakeVideo) -> None:
    counts = FrameCounts()
    rounds = Rounds(sources(make_video("a.mp4", frames=200)), counts=counts)
    seen: list[Round[Frame]] = []
    for round_ in rounds.rounds():
        seen.append(round_)
        if len(seen) == 10:
            rounds.stop()
    assert seen[-1].ended == ("a",)
    assert counts.decoded == 10 + counts.dropped["stopped"]


def test_closing_frees_the_readers(make_video: MakeVideo) -> None:
    before = threading.active_count()
    rounds = Rounds(sources(make_video(frames=200)), counts=FrameCounts()).rounds()
    next(iter(rounds))
    rounds.close()  # type: ignore[attr-defined]
    assert threading.active_count() == before


def test_of_a_live_source_the_newest_frame_wins(make_video: MakeVideo) -> None:
    counts = FrameCounts()
    path = make_video(frames=60)
    live = Rounds([Source("live", str(path), True)], counts=counts)
    rounds = live.rounds()
    first = next(rounds)
    threading.Event().wait(0.3)  # the reader overwrites meanwhile
    second = next(rounds)
    live.stop()
    list(rounds)
    assert [len(first.frames), len(second.frames)] == [1, 1]
    assert second.frames[0].index == 59
    assert counts.dropped["overwritten"] >= 50
