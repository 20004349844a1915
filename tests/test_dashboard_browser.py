"""The dashboard in a real browser."""

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from storage.database import Sessions
from tests.conftest import skip_or_fail
from tests.test_dashboard import fill

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture
def address(database: str, sessions: Sessions, tmp_path: Path) -> Iterator[str]:
    """A dashboard over three interactions, started by the command that users type."""
    fill(sessions)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "stream", "dashboard", "--database", database]
    server = subprocess.Popen(
        [*command, "--port", str(port)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        stdout=subprocess.DEVNULL,
    )
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_for(f"{url}/_stcore/health")
        yield url
    finally:
        server.terminate()
        server.wait(20)


def test_nobody_else_on_the_network_sees_the_pages(address: str) -> None:
    port = int(address.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):  # as from any address but 127.0.0.1
        socket.create_connection(("127.0.0.2", port), timeout=5)


def test_a_question_in_the_address_is_answered_on_the_page(address: str, tmp_path: Path) -> None:
    if CHROMIUM is None:
        skip_or_fail("chromium is not installed: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch_persistent_context(
            tmp_path / "profile", executable_path=CHROMIUM, headless=True, args=FLAGS
        )
        page = browser.new_page()
        page.goto(f"{address}/?q=who+picked+up+what")
        page.get_by_text("2 interactions").wait_for(timeout=60_000)
        grid = page.get_by_test_id("stDataFrame").locator("[role=gridcell]")
        grid.first.wait_for(state="attached", timeout=60_000)
        cells = grid.all_text_contents()
        page.screenshot(path=tmp_path / "ask.png")
        browser.close()
    assert {"bottle", "box"} <= set(cells)
    assert "cup" not in cells
    assert (tmp_path / "ask.png").stat().st_size > 10_000


def _wait_for(url: str) -> None:
    for _ in range(120):
        try:
            with urllib.request.urlopen(url, timeout=1):
                return
        except OSError:
            time.sleep(0.5)
    raise TimeoutError(url)
