"""`Settings` and its frozen sections; `load` merges command line, environment and YAML file."""

import difflib
import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

ENV_PREFIX = "HOI_STREAM_"
CONFIG_VARIABLE = "HOI_STREAM_CONFIG"  # the YAML file of programs without a command line
_OTHER_VARIABLES = ("home", "config")  # HOI_STREAM_HOME: where the user's own bundles lie


class SettingsError(Exception):
    """A setting cannot be used; the message is one line naming file, key and reason."""


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Camera(Section):
    """A video source; `${NAME}` in the URL is taken from the environment."""

    url: str = Field(min_length=1)
    name: str | None = Field(default=None, pattern=r"^[^\s:/]{1,64}$")
    fps: float | None = Field(default=None, gt=0, le=1000)  # frames above it are dropped
    score_fps: float | None = Field(default=None, gt=0, le=1000)  # ... are tracked, not scored
    role: Literal["interactions", "tracks"] = "interactions"  # tracks: nothing is scored there
    transport: Literal["tcp", "udp"] = "tcp"  # of RTSP
    hardware: str | None = None  # decode on: cuda, qsv, drm, ...; falls back to software

    @field_validator("url")
    @classmethod
    def _fill_in(cls, url: str) -> str:
        def value(match: re.Match[str]) -> str:
            if match[1] not in os.environ:
                raise ValueError(f"environment variable {match[1]} is not set")
            secret = os.environ[match[1]]
            login = "://" in match.string[: match.start()] and "@" in match.string[match.end() :]
            return quote(secret, safe="") if login else secret  # as it is, in any other place

        return re.sub(r"\$\{(\w+)\}", value, url)


class Database(Section):
    url: str = "sqlite:///hoi-stream.db"  # in the current folder


class Redis(Section):
    url: str | None = None


class Scoring(Section):
    """Frames per second of every camera that does not say its own."""

    detect_fps: float | None = Field(default=None, gt=0, le=1000)  # frames above it are dropped
    score_fps: float | None = Field(default=None, gt=0, le=1000)  # ... are tracked, not scored


class Smoothing(Section):
    """What the bundle says, unless it is overridden here; seconds and rates per verb."""

    filter: Literal["average", "two_state"] | None = None
    default: dict[str, float] = {}
    verbs: dict[str, dict[str, float]] = {}


class Outbox(Section):
    """Where events wait for their sinks, in the media folder."""

    most_gigabytes: float = Field(default=2.0, gt=0)  # above it no more vector samples are kept


class Clips(Section):
    """A video around the peak of every interaction, copied as the camera encoded it."""

    enabled: bool = True
    before_seconds: float = Field(default=4.0, ge=0, le=20)
    after_seconds: float = Field(default=4.0, ge=0, le=8)


class Vectors(Section):
    """From which can be asked later what nobody configured: verbs, and what somebody looks like."""

    every_seconds: float | None = Field(default=5.0, gt=0)  # of the nearest pairs; null: none
    looks: bool = True  # of people and things, once a track: "in a striped shirt"


class Retention(Section):
    """Null: for ever, as much as there is."""

    days: float | None = Field(default=None, gt=0)  # of interactions and all that belongs to them
    media_gigabytes: float | None = Field(default=None, gt=0)  # of pictures and clips


class Mail(Section):
    """The server that alerts by e-mail are handed to."""

    host: str | None = None
    port: int = Field(default=587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    sender: str = "hoi-stream@localhost"
    user: str | None = None
    password: str | None = Field(default=None, pattern=r"^(env:HOI_SECRET_\w+|file:\w[\w.-]*)$")


class Alerts(Section):
    """How alerts of standing questions leave this machine."""

    enabled: bool = True  # in `stream run`; false: `stream alerts run` does it somewhere else
    secrets: Path = Path("/run/secrets")  # folder of what is named file:NAME
    link_local: bool = False  # webhooks may go to 169.254.0.0/16 and fe80::/10
    mail: Mail = Mail()


class Metrics(Section):
    address: str | None = None  # :9108 or host:9108; serves /metrics, /live and /ready


class Settings(BaseSettings):
    """All that a deployment may change."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix=ENV_PREFIX, env_nested_delimiter="__"
    )

    cameras: tuple[Camera, ...] = ()
    bundle: str = "auto"
    detector: str | None = None  # path of an ONNX file or a name of `transformers`
    database: Database = Database()
    redis: Redis = Redis()
    media: Path = Path("media")  # pictures of events and the outbox
    scoring: Scoring = Scoring()
    smoothing: Smoothing = Smoothing()
    metrics: Metrics = Metrics()
    outbox: Outbox = Outbox()
    clips: Clips = Clips()
    vectors: Vectors = Vectors()
    retention: Retention = Retention()
    alerts: Alerts = Alerts()

    @property
    def backups(self) -> Path:
        """Where the database is copied to before its schema changes."""
        return self.media / "backups"

    @property
    def hash(self) -> str:
        """12 hex digits over what decides which events are found, the bundle aside."""
        facts = {
            "detector": Path(self.detector).name if self.detector else None,
            "scoring": self.scoring.model_dump(),
            "rates": [(c.fps, c.score_fps) for c in self.cameras if c.fps or c.score_fps],
            "smoothing": self.smoothing.model_dump(),
        }
        text = json.dumps(facts, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load(path: Path | None = None, **overrides: Any) -> Settings:
    """Command line (`overrides`, None: not given) over environment over file over default."""
    given = _read(path) if path is not None else {}
    _check_environment()

    class Loaded(Settings):
        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],  # noqa: ARG003
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
            file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        ) -> tuple[Any, ...]:
            return init_settings, env_settings, lambda: given

    try:
        loaded = Loaded(**_without_none(overrides))
    except ValidationError as error:
        raise SettingsError(_one_line(error, path, given)) from error
    except ValueError as error:  # pydantic-settings cannot read an environment variable
        raise SettingsError(f"environment: {str(error).splitlines()[0]}") from error
    return Settings.model_construct(**{n: getattr(loaded, n) for n in Settings.model_fields})


def load_from_environment() -> Settings:
    """Of a program that `stream` starts, or a server: the file is named there, too."""
    named = os.environ.get(CONFIG_VARIABLE)
    return load(Path(named) if named else None)


def _read(path: Path) -> dict[str, Any]:
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise SettingsError(f"{path}: there is no such file") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path}: not valid YAML{where}") from error
    if content is None:
        return {}
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise SettingsError(f"{path}: must be a mapping of setting names to values")
    return content


def _check_environment() -> None:
    """pydantic-settings ignores a misspelt variable; we do not."""
    for name in os.environ:
        if not name.upper().startswith(ENV_PREFIX):
            continue
        first = name[len(ENV_PREFIX) :].split("__")[0].lower()
        if first not in Settings.model_fields and first not in _OTHER_VARIABLES:
            near = difflib.get_close_matches(first, Settings.model_fields, 1)
            hint = f"; did you mean {ENV_PREFIX}{near[0].upper()}?" if near else ""
            raise SettingsError(f"environment: unknown variable {name}{hint}")


def _without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    return {
        name: _without_none(value) if isinstance(value, Mapping) else value
        for name, value in values.items()
        if value is not None
    }


def _one_line(error: ValidationError, path: Path | None, given: Mapping[str, Any]) -> str:
    """The first thing that is wrong: where it was set, its key path, why, the nearest key."""
    first = error.errors(include_url=False, include_input=False)[0]
    keys = [str(part) for part in first["loc"]]
    key = ".".join(keys)
    where = str(path) if path is not None and _has(given, first["loc"]) else "settings"
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(keys[-1], list(_siblings(keys[:-1])), 1)
        hint = f"; did you mean {'.'.join([*keys[:-1], near[0]])}?" if near else ""
        return f"{where}: unknown key {key}{hint}"
    reason = str(first["msg"]).removeprefix("Value error, ")
    return f"{where}: {key}: {reason[:1].lower()}{reason[1:]}"


def _has(given: Any, loc: tuple[int | str, ...]) -> bool:
    for part in loc:
        items = dict(enumerate(given)) if isinstance(given, list) else given
        if not isinstance(items, Mapping) or part not in items:
            return False
        given = items[part]
    return True


def _siblings(keys: list[str]) -> Iterator[str]:
    """Valid keys beside the last one of a path."""
    model: type[BaseModel] = Settings
    for key in keys:
        if key == "cameras":
            model = Camera
        elif key in model.model_fields:
            inner = model.model_fields[key].annotation
            if isinstance(inner, type) and issubclass(inner, BaseModel):
                model = inner
    yield from model.model_fields
