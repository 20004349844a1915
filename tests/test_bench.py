"""`stream bench`: it runs against real cameras and prints what it measured."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import RtspCamera


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_cameras_are_counted_until_the_machine_carries_no_more(
    make_camera: type[RtspCamera], tmp_path: Path
) -> None:
    make_camera()  # skips where there is no RTSP server
    command = [sys.executable, "-m", "stream", "bench", "cameras", "--most", "2", "--seconds", "3"]
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(Path(__file__).parents[1]), "COLUMNS": "200", "PATH": "/usr/bin"},
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines() if line[:1].isdigit()]
    assert [row[0] for row in rows] == ["1", "2"]
    for row in rows:
        decoded, scored = float(row[1]), float(row[2])
        assert 8 < decoded < 20, json.dumps(row)
        assert 1 < scored < 16, json.dumps(row)
    assert "carries 2 cameras" in done.stdout
