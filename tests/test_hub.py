"""Weights from a hub: resumed, checked, and never taken without a word about their licence."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from models.errors import ModelError
from models.hub import Offer, choose_file, fetch, find_files
from tests.servers.hub import Hub, model_hub

ROOT = Path(__file__).parents[1]
OFFER = Offer("lttt/CMMP", "cmmp", "B16")
SIZE = 3_000_000


@pytest.fixture
def hub() -> Hub:
    files = {"a.pt": os.urandom(SIZE), "b.pt": os.urandom(1000), "README.md": b"# CMMP"}
    return Hub(OFFER.repo, files)


@pytest.fixture
def url(hub: Hub) -> Iterator[str]:
    with model_hub(hub) as url:
        yield url


def test_a_download_that_was_cut_off_goes_on_where_it_was(
    hub: Hub, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.DOWNLOAD_CHUNK_SIZE", 100_000)
    hub.cut = 1_000_000
    path = fetch(OFFER, "a.pt", hub.sha256["a.pt"], tmp_path, endpoint=url)
    assert path.read_bytes() == hub.files["a.pt"]
    assert hub.ranges
    assert hub.sent < 1.5 * SIZE


def test_a_download_that_was_killed_is_gone_on_with_by_the_next(
    hub: Hub, url: str, tmp_path: Path
) -> None:
    hub.cut = 1_000_000
    hub.silent.set()
    script = (
        "import sys; from pathlib import Path; from huggingface_hub import constants; "
        "from models.hub import OFFERS, fetch; constants.DOWNLOAD_CHUNK_SIZE = 100_000; "
        "fetch(OFFERS['cmmp-vitb16'], 'a.pt', sys.argv[2], Path(sys.argv[1]))"
    )
    first = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path), hub.sha256["a.pt"]],
        env=environment(url, tmp_path / "home"),
    )
    until = time.monotonic() + 60
    while not any(p.stat().st_size > 800_000 for p in tmp_path.rglob("*.part")):
        assert time.monotonic() < until
        assert first.poll() is None
        time.sleep(0.05)
    first.kill()
    first.wait()
    hub.cut = None
    hub.silent.clear()
    path = fetch(OFFER, "a.pt", hub.sha256["a.pt"], tmp_path, endpoint=url)
    assert path.read_bytes() == hub.files["a.pt"]
    (wanted,) = hub.ranges
    assert int(wanted.removeprefix("bytes=").rstrip("-")) > 800_000


def test_a_file_that_is_not_what_the_hub_says_is_refused_and_deleted(
    hub: Hub, url: str, tmp_path: Path
) -> None:
    hub.files["a.pt"] = os.urandom(SIZE)
    with pytest.raises(ModelError, match=r"a\.pt arrived with another SHA-256"):
        fetch(OFFER, "a.pt", hub.sha256["a.pt"], tmp_path, endpoint=url)
    assert not list(tmp_path.iterdir())


def test_a_whole_file_is_fetched_again_only_when_the_hub_has_another(
    hub: Hub, url: str, tmp_path: Path
) -> None:
    first = fetch(OFFER, "b.pt", hub.sha256["b.pt"], tmp_path, endpoint=url)
    sent = hub.sent
    assert fetch(OFFER, "b.pt", hub.sha256["b.pt"], tmp_path, endpoint=url) == first
    assert hub.sent == sent
    hub.replace("b.pt", os.urandom(1000))
    again = fetch(OFFER, "b.pt", hub.sha256["b.pt"], tmp_path, endpoint=url)
    assert again.read_bytes() == hub.files["b.pt"]


def test_one_of_several_files_has_to_be_chosen(hub: Hub, url: str) -> None:
    files = find_files(OFFER, endpoint=url)
    assert files == {name: hub.sha256[name] for name in ("a.pt", "b.pt")}
    with pytest.raises(ModelError, match=r"choose one of its files by --file: a\.pt, b\.pt$"):
        choose_file(OFFER, files, None)
    assert choose_file(OFFER, files, "b.pt") == "b.pt"


def environment(url: str, home: Path) -> dict[str, str]:
    return {
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        "HF_ENDPOINT": url,
        "HOI_STREAM_HOME": str(home),
        "HOME": str(home),
    }


def pull(
    url: str, home: Path, *words: str, name: str = "cmmp-vitb16"
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "stream", "models", "pull", name, *words],
        env=environment(url, home),
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_without_a_licence_the_user_has_to_say_so(url: str, hub: Hub, tmp_path: Path) -> None:
    done = pull(url, tmp_path)
    assert done.returncode == 1
    assert "licence: none granted" in done.stdout
    assert "say --yes" in done.stderr
    assert hub.sent == 0


def test_what_is_no_checkpoint_is_named_and_makes_no_bundle(tmp_path: Path) -> None:
    file = tmp_path / "few.pt"
    torch.save({"model_state_dict": {"global_prior": torch.zeros(10, 36)}}, file)
    with model_hub(Hub(OFFER.repo, {"few.pt": file.read_bytes()})) as url:
        done = pull(url, tmp_path / "home", "--yes")
    assert done.returncode == 1
    assert "clip_head" in done.stderr.splitlines()[-1]
    assert not (tmp_path / "home" / "bundles").exists()


def test_no_network_gives_one_line(tmp_path: Path) -> None:
    done = pull("http://127.0.0.1:9", tmp_path, "--yes")
    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1].startswith("stream: lttt/CMMP cannot be fetched")
    assert "Traceback" not in done.stderr
