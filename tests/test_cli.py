"""The command line as a user meets it: output, one line for every error, exit codes."""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol

import httpx2 as httpx
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from configs.settings import load_from_environment
from models.bundle import DetectorSection, load_bundle, write_manifest
from storage.bus import Bus
from storage.database import make_engine, make_sessions, upgrade
from storage.repository import add_interactions, find_interactions
from stream.cli import main, parse_since
from stream.sources import read_file
from tests.conftest import free_port
from tests.test_interactions import NOON, make_interaction

MakeVideo = Callable[..., Path]


class RedisServer(Protocol):
    url: str


Cli = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[1]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Cli:
    """Runs `stream ...` in an empty folder: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        with pytest.raises(SystemExit) as ended:
            main([str(argument) for argument in arguments])
        out, err = capfd.readouterr()
        return int(str(ended.value.code)), out, err

    return call


def test_a_video_becomes_events_in_the_database(
    cli: Cli, make_video: MakeVideo, detector: Path, tmp_path: Path
) -> None:
    video = make_video("kitchen.mp4", frames=75)
    run = ("run", "--source", video, "--bundle", "boxes", "--detector", detector)
    code, out, err = cli(*run, "--json", "--save-video", "out/found.mp4")
    assert code == 0, err
    events = [json.loads(line) for line in out.splitlines()]
    assert {"hold"} <= {event["verb"] for event in events}
    assert {event["phase"] for event in events} == {"end"}
    assert {event["camera"] for event in events} == {"kitchen"}
    assert "75 frames decoded, " in err
    assert f"{len(events)} events: " in err
    assert "bottleneck: " in err
    assert (tmp_path / "out" / "found.mp4").stat().st_size > 0

    engine = make_engine("sqlite:///hoi-stream.db")
    with make_sessions(engine)() as session:
        stored = find_interactions(session)
    engine.dispose()
    assert {str(one.id) for one in stored} == {event["id"] for event in events}
    assert all((tmp_path / "media" / str(one.snapshot)).is_file() for one in stored)

    code, out, err = cli("ask", "who held what")
    assert code == 0, err
    assert "cup" in out
    assert "understood: held: hold" in err

    before = {event["id"] for event in events}
    code, out, _ = cli(*run, "--json")
    assert {json.loads(line)["id"] for line in out.splitlines()} == before


@pytest.fixture
def world(detector: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A bundle called `world`: the scorer of `boxes` behind the still detector."""
    boxes = load_bundle("boxes")
    folder = tmp_path / "home" / "bundles" / "world"
    folder.mkdir(parents=True)
    shutil.copy(boxes.path(boxes.manifest.scorer.file), folder)
    shutil.copy(detector, folder)
    section = DetectorSection(file=detector.name)
    update = {"name": "world", "footage": "world", "detector": section}
    write_manifest(folder, boxes.manifest.model_copy(update=update))
    monkeypatch.setenv("HOI_STREAM_HOME", str(tmp_path / "home"))


@pytest.mark.usefixtures("world")
def test_without_a_detector_the_demo_model_runs_and_says_so(cli: Cli, video: Path) -> None:
    code, out, err = cli("run", "--source", video, "--json")
    assert code == 0, err
    assert all(json.loads(line) for line in out.splitlines())
    assert "THE DEMO MODEL IS RUNNING" in err
    _, _, err = cli("run", "--source", video, "--bundle", "world")
    assert "THE DEMO MODEL" not in err


@pytest.mark.usefixtures("world")
def test_the_demo_finds_events_and_shows_the_way_to_the_dashboard(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream.cli_demo._SECONDS", 4.0)
    code, out, err = cli("demo")
    assert code == 0, err
    assert "Found" in out
    assert "who picked up what?" in out
    assert "http://localhost:8501" in out
    made = {path.name for path in (tmp_path / "demo").iterdir()}
    assert {"clip.mp4", "found.mp4", "hoi-stream.db", "media"} <= made


def test_redis_gets_every_event_that_the_database_gets(
    cli: Cli, make_video: MakeVideo, detector: Path, redis_server: RedisServer
) -> None:
    video = make_video("kitchen.mp4", frames=75)
    run = ("run", "-s", video, "-b", "boxes", "-d", detector, "--redis", redis_server.url)
    code, _, err = cli(*run)
    assert code == 0, err
    ended = [m.interaction.id for m in Bus(redis_server.url).read() if m.interaction.end_reason]
    engine = make_engine("sqlite:///hoi-stream.db")
    with make_sessions(engine)() as session:
        stored = {one.id for one in find_interactions(session)}
    engine.dispose()
    assert sorted(ended) == sorted(stored)
    assert stored


def test_a_detector_that_fails_on_every_frame_ends_the_run_in_one_line(
    cli: Cli, make_video: MakeVideo, detector: Path, tmp_path: Path
) -> None:
    model = onnx.load(str(detector))
    for node in model.graph.node:
        if node.output[0] == "scores":  # row 5 of one, found out when a picture is there
            node.output[0] = "one row"
    five = numpy_helper.from_array(np.array(5, np.int64), "five")
    model.graph.initializer.append(five)
    mean = helper.make_node("ReduceMean", ["picture"], ["mean"], keepdims=0)
    total = helper.make_node("Cast", ["mean"], ["whole"], to=TensorProto.INT64)
    zero = helper.make_node("Sub", ["whole", "whole"], ["nothing"])
    index = helper.make_node("Add", ["nothing", "five"], ["index"])
    bad = helper.make_node("Gather", ["one row", "index"], ["gathered"])
    back = helper.make_node("Unsqueeze", ["gathered", "axis"], ["scores"])
    model.graph.initializer.append(numpy_helper.from_array(np.array([0], np.int64), "axis"))
    model.graph.node.extend([mean, total, zero, index, bad, back])
    broken = tmp_path / "broken.onnx"
    onnx.save(model, str(broken))
    video = make_video(frames=150)
    code, out, err = cli("run", "-s", video, "-b", "boxes", "-d", broken, "--json")
    assert (code, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith("stream: detect failed on 100 frames in a row: ")
    assert "Traceback" not in err
    assert len(list((tmp_path / "media" / "quarantine").glob("*.png"))) > 0


def test_without_json_stdout_stays_empty(cli: Cli, video: Path, detector: Path) -> None:
    code, out, err = cli("run", "-s", video, "-b", "boxes", "-d", detector)
    assert (code, out) == (0, "")
    assert "25 frames decoded" in err


def test_one_source_fails_and_the_other_goes_on(cli: Cli, video: Path, detector: Path) -> None:
    arguments = ("run", "-s", "gone.mp4", "-s", video, "-b", "boxes", "-d", detector)
    code, _, err = cli(*arguments)
    assert code == 1
    assert err.count("stream: gone.mp4: there is no such file") == 1
    assert "25 frames decoded" in err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["run", "--source", "gone.mp4"], 1, "gone.mp4: there is no such file"),
        (["run"], 1, "nothing to watch"),
        (["run", "-s", "x.mp4", "--config", "gone.yaml"], 1, "gone.yaml: there is no such file"),
        (["run", "-s", "x.mp4", "--bundle", "gone"], 1, "no bundle 'gone'"),
        (["run", "-s", "x.mp4", "--detector", "gone.onnx"], 1, "gone.onnx: no such detector"),
        (["run", "-s", "x.mp4", "--database", "nosuch://x"], 1, "nosuch"),
        (["run", "-s", "ftp://u:secret@host/x.mp4"], 1, "ftp is not one of"),
        (["run", "--sauce", "x.mp4"], 2, "No such option: --sauce"),
        (["walk"], 2, "No such command 'walk'"),
        (["ask"], 2, "Missing argument"),
        (["ask", "who", "--since", "soon"], 2, "write 90s, 15m"),
        (["models", "verify", "gone"], 1, "no bundle 'gone'"),
    ],
)
def test_errors_are_one_line_with_an_exit_code(
    cli: Cli, detector: Path, arguments: list[str], code: int, message: str
) -> None:
    if arguments[0] == "run" and "--bundle" not in arguments:
        arguments = [*arguments, "--bundle", "boxes"]
        if "--detector" not in arguments:
            arguments += ["--detector", str(detector)]
    got, out, err = cli(*arguments)
    assert (got, out) == (code, ""), err
    assert message in err
    assert len(err.splitlines()) == 1, err
    assert err.startswith("stream: ")
    assert "secret" not in err


def test_config_show_hides_passwords(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOI_STREAM_DATABASE__URL", "postgresql://hoi:s3cret@localhost/hoi")
    code, out, _ = cli("config", "show")
    assert code == 0
    assert "***@localhost" in out
    assert "s3cret" not in out


def test_config_check_names_the_mistake(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "my.yaml").write_text("bundel: world\n")
    code, _, err = cli("config", "check", "--config", "my.yaml")
    assert (code, err) == (1, "stream: my.yaml: unknown key bundel; did you mean bundle?\n")


def test_models_are_listed_shown_and_verified(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "250")
    monkeypatch.setenv("HOI_STREAM_HOME", str(tmp_path / "home"))
    mine = tmp_path / "home" / "bundles" / "mine"
    shutil.copytree(load_bundle("boxes").folder, mine)
    code, out, err = cli("models", "show", "mine")
    assert code == 0, err
    for said in (
        "0.2 MB in 1 files",
        "24 verbs",
        "footage",
        "real",
        "licence of scorer",
        "SHA-256",
    ):
        assert said in out
    assert cli("models", "verify", "mine")[0] == 0

    (mine / "scorer.safetensors").write_bytes(b"other")
    code, _, err = cli("models", "verify", "mine")
    assert code == 1
    assert "SHA-256 differs" in err
    code, out, err = cli("models", "list")
    assert code == 0, err
    lines = {line.split()[0]: line for line in out.splitlines() if line.strip()}
    assert "damaged" in lines["mine"]
    assert load_bundle("boxes").hash in lines["boxes"]
    assert "MIT" in lines["clip"]
    assert "none granted" in lines["cmmp-vitb16"]


def test_db_upgrade_makes_the_database(cli: Cli, tmp_path: Path) -> None:
    code, out, _ = cli("db", "upgrade", "--database", "sqlite:///new.db")
    assert (code, out) == (0, "sqlite:///new.db is up to date\n")
    assert (tmp_path / "new.db").is_file()


def test_a_question_is_answered_as_csv_and_json(cli: Cli, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'asked.db'}"
    engine = make_engine(url)
    upgrade(engine)
    with make_sessions(engine).begin() as session:
        told = [make_interaction(0), make_interaction(1, human_track="=1+1", verb="put down")]
        add_interactions(session, interactions=told)
    engine.dispose()
    asked = ("ask", "who picked up a box and then put it down", "--database", url)
    code, out, err = cli("ask", "who put down what", "--database", url, "--csv")
    assert code == 0, err
    header, row = csv.reader(out.splitlines())
    assert header == ["who", "what", "time", "camera", "score", "id"]
    assert row[:2] == ["'=1+1", "box"], "a spreadsheet must not take a name for a formula"
    assert row[-1] == str(told[1].id)
    code, out, err = cli("ask", "who picked up a box", "--database", url, "--json")
    told_all = json.loads(out)
    assert [row["interaction"]["id"] for row in told_all["rows"]] == [str(told[0].id)]
    assert "1 interaction" in err
    code, out, err = cli(*asked)
    assert (code, "nothing found" in out) == (0, True), "another person put it down"
    code, out, err = cli("ask", "who frobnicated the box", "--database", url)
    assert code == 1
    assert "not understood: frobnicated" in err


def test_a_day_of_summer_is_of_summer_time_all_the_year(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    for day, name in (("1 july", "CEST"), ("1 january", "CET")):
        url = f"sqlite:///{tmp_path / 'empty.db'}"
        code, out, err = cli("ask", f"what happened on {day}", "--database", url)
        assert (code, f"00:00:00 {name}" in out + err) == (0, True), out + err


def test_a_long_answer_is_read_page_by_page_and_filed_as_a_whole(cli: Cli, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'asked.db'}"
    engine = make_engine(url)
    upgrade(engine)
    held = [make_interaction(n, verb="hold", object_class="cup") for n in range(120)]
    with make_sessions(engine).begin() as session:
        kicked = make_interaction(200, verb="kick", object_class="cup")
        add_interactions(session, interactions=[*held, kicked])
    engine.dispose()

    def ask(question: str, *more: str) -> tuple[str, str]:
        code, out, err = cli("ask", question, "--database", url, *more)
        assert code == 0, err
        return out, err

    code, _, err = cli("ask", "who held what", "--camera", "gaet", "--database", url)
    assert (code, "no camera 'gaet'; did you mean 'gate'?" in err) == (1, True)
    out, err = ask("who held what", "--csv")
    assert len(out.splitlines()) == 121
    assert "rows" not in err
    out, err = ask("who held what")
    assert "rows 1 to 50 of 120: --offset 50 shows the next" in err
    out, err = ask("who held what", "--csv", "--limit", "50", "--offset", "100")
    assert (len(out.splitlines()), "rows" in err) == (21, False)
    minute = (NOON + timedelta(seconds=59.5)).isoformat()
    out, _ = ask("how many times did anyone hold a cup", "--until", minute, "--json")
    told = json.loads(out)
    assert (told["number"], len(told["rows"]), told["next_offset"]) == (60, 60, None)
    assert json.loads(ask("did anyone put down a cup", "--json")[0])["yes"] is False
    out, _ = ask("who held a cup and then kicked it", "--json", "--limit", "1")
    (row,) = json.loads(out)["rows"]
    assert [one["verb"] for one in (row["interaction"], *row["evidence"])] == ["hold", "kick"]


@pytest.mark.parametrize("command", ["dashboard", "api"])
def test_what_the_pages_and_the_api_know_is_all_of_the_configuration(
    command: str, cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(
        "bundle: my/bundle\nvectors: {every_seconds: 2}\nsmoothing: {default: {tau: 0.4}}\n"
    )

    def start(_program: str, _arguments: list[str], environment: dict[str, str]) -> None:
        monkeypatch.setattr(os, "environ", environment)
        raise SystemExit(0)

    monkeypatch.setattr(os, "execvpe", start)
    assert cli(command, "--config", file.name, "--database", "sqlite:///other.db")[0] == 0
    monkeypatch.chdir("/")
    known = load_from_environment()
    assert (known.bundle, known.vectors.every_seconds) == ("my/bundle", 2)
    assert known.smoothing.default == {"tau": 0.4}
    assert known.database.url == "sqlite:///other.db"
    assert known.media == tmp_path / "media"


def test_the_api_is_started_with_a_token_of_its_own(tmp_path: Path) -> None:
    port = free_port()
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    environment.pop("HOI_API_TOKEN", None)
    command = [sys.executable, "-m", "stream", "api", "--port", str(port)]
    command += ["--database", f"sqlite:///{tmp_path / 'api.db'}"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, env=environment, stdout=pipe, text=True, cwd=tmp_path)
    try:
        assert process.stdout is not None
        token = process.stdout.readline().removeprefix("token: ").strip()
        headers = {"Authorization": f"Bearer {token}"}
        transport = httpx.HTTPTransport(retries=8)
        with httpx.Client(transport=transport, headers=headers, timeout=30) as client:
            reply = client.get(f"http://127.0.0.1:{port}/ask", params={"q": "who picked up what"})
        assert reply.json()["summary"] == "nothing found"
    finally:
        process.terminate()
        process.communicate(timeout=20)


def test_help_is_quick_and_knows_every_command(cli: Cli) -> None:
    code, out, _ = cli("--help")
    assert code == 0
    commands = "run ask dashboard api demo world train evaluate models config db doctor"
    assert all(f" {command} " in out for command in commands.split())


def test_what_is_heavy_is_not_loaded_for_small_commands() -> None:
    heavy = {"torch", "av", "sqlalchemy", "alembic", "scipy", "supervision"}
    code = f"import sys, stream.cli; sys.exit(not {heavy!r}.isdisjoint(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    assert (
        subprocess.run([sys.executable, "-c", code], env=environment, check=False).returncode == 0
    )


def test_a_clip_of_the_world_is_rendered_with_its_truth(cli: Cli, tmp_path: Path) -> None:
    options = ("--seed", 7, "--seconds", 2, "--out", "clip.mp4", "--truth", "truth.json")
    code, _, err = cli("world", "render", *options)
    assert code == 0, err
    truth = json.loads((tmp_path / "truth.json").read_text())
    assert len(truth["frames"]) == len(list(read_file(tmp_path / "clip.mp4")))


def test_since_takes_spans_and_dates() -> None:
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert parse_since("90m", now) == now - timedelta(minutes=90)
    assert parse_since("2d", now) == now - timedelta(days=2)
    assert parse_since("2026-04-30") == datetime(2026, 4, 30, tzinfo=UTC)
    assert parse_since(None) is None


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_closes_open_events_and_ends_in_order(
    make_video: MakeVideo, detector: Path, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    video = make_video("long.mp4", frames=3000)
    command = [sys.executable, "-m", "stream", "run", "-s", str(video), "-b", "boxes"]
    process = subprocess.Popen(
        [*command, "-d", str(detector)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        text=True,
    )
    snapshots = tmp_path / "media" / "snapshots"
    until = time.monotonic() + 60
    while not snapshots.is_dir() and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    assert "stopping" in err
    assert "frames decoded" in err
    assert "Traceback" not in err
    engine = make_engine(f"sqlite:///{tmp_path / 'hoi-stream.db'}")
    with make_sessions(engine)() as session:
        stored = find_interactions(session)
    engine.dispose()
    assert stored
    assert all(one.end_reason is not None for one in stored)
