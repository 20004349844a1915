from pathlib import Path

import pytest

from configs.settings import Settings, SettingsError, load

CONFIGS = Path(__file__).parents[1] / "configs"


def write(folder: Path, text: str) -> Path:
    path = folder / "my.yaml"
    path.write_text(text)
    return path


def test_command_line_beats_environment_beats_file_beats_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "bundle: boxes\ndetector: a.onnx\nredis: {url: redis://file}\n")
    monkeypatch.setenv("HOI_STREAM_DETECTOR", "b.onnx")
    monkeypatch.setenv("HOI_STREAM_REDIS__URL", "redis://environment")
    settings = load(path, redis={"url": "redis://option"}, detector=None)
    assert settings.bundle == "boxes"
    assert settings.detector == "b.onnx"
    assert settings.redis.url == "redis://option"
    assert settings.database.url == "sqlite:///hoi-stream.db"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"nothing\.yaml: there is no such file"):
        load(tmp_path / "nothing.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("databse: {}", r"my\.yaml: unknown key databse; did you mean database\?"),
        (
            "database: {urll: x}",
            r"my\.yaml: unknown key database\.urll; did you mean database\.url",
        ),
        ("cameras: [{url: a, nam: b}]", r"unknown key cameras\.0\.nam; did you mean .*\.0\.name"),
        ("zebra: 1", r"my\.yaml: unknown key zebra$"),
        ("scoring: {detect_fps: fast}", r"my\.yaml: scoring\.detect_fps: input should be"),
        ("scoring: {detect_fps: -1}", r"scoring\.detect_fps: input should be greater than 0"),
        ("scoring: {detect_fps: .nan}", r"scoring\.detect_fps: "),
        ("smoothing: {filter: median}", r"smoothing\.filter: input should be 'average'"),
        ("cameras: [{url: '${HOI_NO_SUCH}'}]", "environment variable HOI_NO_SUCH is not set"),
        ("- a\n- b", "must be a mapping"),
        ("a: [", "not valid YAML in line"),
    ],
)
def test_a_wrong_file_gives_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(SettingsError, match=message) as raised:
        load(write(tmp_path, text))
    assert "\n" not in str(raised.value)


def test_an_empty_file_means_defaults(tmp_path: Path) -> None:
    assert load(write(tmp_path, "# nothing\n")) == load()


def test_a_misspelt_environment_variable_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOI_STREAM_BUNDEL", "world")
    with pytest.raises(SettingsError, match="did you mean HOI_STREAM_BUNDLE"):
        load()


def test_secrets_of_cameras_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GATE_PASSWORD", "s3cret")
    settings = load(CONFIGS / "cameras.example.yaml")
    assert settings.cameras[0].url == "rtsp://viewer:s3cret@192.0.2.10/stream1"
    monkeypatch.setenv("GATE_PASSWORD", "p@ss/w:rd#%?ü")
    settings = load(CONFIGS / "cameras.example.yaml")
    assert settings.cameras[0].url == (
        "rtsp://viewer:p%40ss%2Fw%3Ard%23%25%3F%C3%BC@192.0.2.10/stream1"
    )


def test_the_shipped_files_load_and_the_default_one_says_the_defaults() -> None:
    assert load(CONFIGS / "default.yaml") == load()
    load(CONFIGS / "gpu.yaml")


def test_settings_are_frozen() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load().bundle = "boxes"  # type: ignore[misc]


def test_the_hash_changes_with_what_changes_events_and_with_nothing_else() -> None:
    base = load().hash
    assert len(base) == 12
    assert load(database={"url": "sqlite:///other.db"}, media="elsewhere").hash == base
    assert load(scoring={"detect_fps": 5}).hash != base
    assert load(smoothing={"filter": "two_state"}).hash != base
    assert load(detector="a/x.onnx").hash == load(detector="b/x.onnx").hash != base


def test_load_returns_plain_settings() -> None:
    assert type(load()) is Settings
