"""Passwords of cameras appear nowhere: no log line, event, metric, exception or database row."""

import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import quote

from hypothesis import given
from hypothesis import strategies as st

from stream.addresses import Wanted, find_sources, redact
from tests.conftest import free_port

PASSWORDS = (
    "p@ss-1",
    "sl/ash-2",
    "ha#sh-3",
    "co:lon-4",
    "per%cent-5",
    "quest?ion-6",
    "ünï-7",
    "a@b/c#d-8",
)

passwords = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=4, max_size=30)


@given(passwords, st.sampled_from(["rtsp", "rtsps", "http", "https"]), st.booleans())
def test_no_part_of_a_source_shows_its_password(password: str, scheme: str, quoted: bool) -> None:
    secret = f"X{quote(password, safe='') if quoted else password}X"
    (source,) = find_sources([Wanted(f"{scheme}://joe:{secret}@10.0.0.7:554/live")])
    for told in (source.shown, source.name, redact(f"error at {source.url}: timed out")):
        assert secret not in told
    assert source.shown == f"{scheme}://***@10.0.0.7:554/live"
    assert source.name == "10.0.0.7-554-live"


def test_a_run_over_cameras_with_odd_passwords_keeps_them_to_itself(tmp_path: Path) -> None:
    port, metrics = free_port(), free_port()
    urls = [f"rtsp://joe:{p}@127.0.0.1:{port}/{n}" for n, p in enumerate(PASSWORDS)]
    urls += [f"rtsp://joe:{quote(p, safe='')}@127.0.0.1:{port}/q" for p in PASSWORDS]
    urls += [f"http://127.0.0.1:{port}/live?token={quote(p, safe='')}" for p in PASSWORDS]
    command = [sys.executable, "-m", "stream", "run", "--bundle", "world-boxes"]
    command += [part for url in urls for part in ("--source", url)]
    command += ["--metrics", f"127.0.0.1:{metrics}", "--save-video", "found.mp4"]
    root = Path(__file__).parents[1]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    scraped = scrape(metrics, process)
    time.sleep(2)
    process.send_signal(signal.SIGINT)
    printed, _ = process.communicate(timeout=60)
    assert printed.count(b"refused") >= len(urls), printed.decode()
    kept = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert any(path.suffix == ".db" for path in kept)
    everything = b"".join([printed, scraped, *(path.read_bytes() for path in kept)])
    everything += " ".join(str(path) for path in kept).encode()
    for password in PASSWORDS:
        for shape in (password, quote(password, safe=""), password.split("@")[-1]):
            assert shape.encode() not in everything, shape


def scrape(port: int, process: subprocess.Popen[bytes]) -> bytes:
    """All three pages, once the run has begun."""
    until = time.monotonic() + 60
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
                text = bytes(answer.read())
        except OSError:
            time.sleep(0.2)
            continue
        if text.count(b'trouble="refused"') >= 3 * len(PASSWORDS):
            return text
        time.sleep(0.2)
    raise AssertionError("the run did not begin")
