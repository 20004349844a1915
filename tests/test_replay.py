"""A recording watched again gives the same bytes, and what other settings change is named."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.world.clip import write_clip
from storage.database import make_engine, make_sessions
from storage.interactions import Interaction, Kind
from storage.track_rows import find_tracks
from stream.replay import compare
from tests.test_interactions import make_interaction

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("clip") / "yard.mp4"
    write_clip(path, 10_003, 14.0)
    return path


def stream(*words: object, folder: Path, cores: int | None = None) -> tuple[str, str]:
    """stdout and stderr of the program, on so many cores."""

    def on_cores() -> None:
        if cores is not None:
            os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])

    done = subprocess.run(
        [sys.executable, "-m", "stream", *map(str, words)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": str(cores or 4)},
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
        preexec_fn=on_cores,
    )
    return done.stdout, done.stderr


def test_the_same_bytes_on_any_number_of_threads(clip: Path, tmp_path: Path) -> None:
    one, _ = stream("replay", clip, "-b", "world-boxes", "--json", folder=tmp_path, cores=1)
    all_, _ = stream("replay", clip, "-b", "world-boxes", "--json", folder=tmp_path)
    assert one == all_
    assert len(one.splitlines()) >= 3
    assert list(tmp_path.iterdir()) == []  # and nothing is left behind


def test_other_settings_are_compared_with_a_file_and_with_a_run(clip: Path, tmp_path: Path) -> None:
    old, _ = stream("run", "-s", clip, "-b", "world-boxes", "--json", folder=tmp_path)
    (tmp_path / "old.json").write_text(old)
    events = [json.loads(line) for line in old.splitlines()]
    verbs = {event["verb"] for event in events} - {"pick up", "put down"}  # these are transitions
    strict = {verb: {"enter": 0.999, "leave": 0.998} for verb in verbs}
    (tmp_path / "strict.yaml").write_text(json.dumps({"smoothing": {"verbs": strict}}))
    command = ("replay", clip, "-b", "world-boxes", "--diff")
    same, _ = stream(*command, "old.json", folder=tmp_path)
    assert f"{len(events)} same, 0 gained, 0 lost, 0 moved" in same
    run = stream("db", "runs", folder=tmp_path)[0].splitlines()[1].split()[0]
    by_run, _ = stream(*command, run, folder=tmp_path)
    assert by_run == same
    fewer, _ = stream(*command, "old.json", "-c", "strict.yaml", folder=tmp_path)
    lost = [line for line in fewer.splitlines() if line.startswith("lost")]
    assert lost
    assert f" {len(lost)} lost" in fewer.splitlines()[-1]


def interval(start: float, end: float, verb: str = "hold", number: int = 0) -> Interaction:
    return make_interaction(number, verb=verb, media_start=start, media_end=end)


def moment(at: float) -> Interaction:
    return make_interaction(kind=Kind.MOMENT, verb="kick", media_start=at, media_end=at)


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ([interval(1, 5)], [interval(1.1, 5.2)], (1, 0, 0, 0)),
        ([interval(1, 5)], [interval(2, 5)], (0, 0, 0, 1)),
        ([interval(1, 5)], [interval(4.5, 9)], (0, 1, 1, 0)),
        ([interval(1, 5)], [interval(1, 5, "carry")], (0, 1, 1, 0)),
        ([moment(3.0)], [moment(3.9)], (0, 0, 0, 1)),
        ([moment(3.0)], [moment(4.1)], (0, 1, 1, 0)),
        ([interval(1, 5), interval(5, 9)], [interval(1, 9)], (0, 0, 1, 1)),
    ],
)
def test_differences_are_named(
    old: Sequence[Interaction], new: Sequence[Interaction], expected: tuple[int, ...]
) -> None:
    found = compare(old, new)
    sizes = len(found.same), len(found.gained), len(found.lost), len(found.moved)
    assert sizes == expected


spans = st.lists(st.tuples(st.floats(0, 50), st.floats(0, 10), st.sampled_from("ab")), max_size=8)


@given(spans, spans)
def test_every_event_has_one_place(
    before: list[tuple[float, float, str]], after: list[tuple[float, float, str]]
) -> None:
    old = [interval(s, s + d, v, n) for n, (s, d, v) in enumerate(before)]
    new = [interval(s, s + d, v, n) for n, (s, d, v) in enumerate(after)]
    found = compare(old, new)
    assert len(found.same) + len(found.moved) + len(found.lost) == len(old)
    assert len(found.same) + len(found.moved) + len(found.gained) == len(new)
    back = compare(new, old)
    assert len(back.gained) == len(found.lost)
    everything = compare(old, old)
    assert len(everything.same) == len(old)


def test_a_camera_for_its_tracks_is_not_scored(clip: Path, tmp_path: Path) -> None:
    config = tmp_path / "cameras.yaml"
    camera = {"name": "yard", "url": str(clip), "role": "tracks"}
    config.write_text(json.dumps({"cameras": [camera], "bundle": "world-boxes"}))
    events, summary = stream("run", "--config", config, "--json", folder=tmp_path)
    assert events == ""
    assert "0 scored, 175 not scored (role)" in summary
    with make_sessions(make_engine(f"sqlite:///{tmp_path / 'hoi-stream.db'}"))() as session:
        kinds = {track.class_name for track in find_tracks(session, camera="yard")}
    assert "person" in kinds
    assert len(kinds) > 1
