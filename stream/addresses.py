"""Which sources a user means: paths, folders, globs and URLs, their names, and no secret shown."""

import glob
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from stream.errors import SourceError

VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".ts", ".m2ts", ".mts", ".mpg"),
    *(".mpeg", ".flv", ".wmv", ".3gp", ".ogv", ".h264"),
)
_SCHEMES = ("rtsp", "rtsps", "http", "https")


@dataclass(frozen=True)
class Reading:
    """How a source is read."""

    fps: float | None = None  # frames above it are dropped
    score_fps: float | None = None  # frames above it are tracked and not scored; 0: none is
    transport: str = "tcp"  # of RTSP: "tcp" | "udp"
    hardware: str | None = None  # FFmpeg's name of a decoding device; software where it fails


@dataclass(frozen=True)
class Wanted:
    """What a user asks for: a path, folder, glob or URL, and perhaps a name for it."""

    url: str
    name: str | None = None
    reading: Reading = Reading()


@dataclass(frozen=True)
class Source:
    """Where a camera's frames come from; `url` may hold a password, `shown` never does."""

    name: str
    url: str
    live: bool
    reading: Reading = Reading()

    @property
    def shown(self) -> str:
        return redact(self.url)

    @property
    def dialled(self) -> str:
        """The URL with user name and password escaped, where they were given as they are."""
        scheme, separator, rest = self.url.partition("://")
        place = re.split(r"[/?#]", rest)[0]
        if separator and "@" not in place and re.fullmatch(r"[^:]*(:\d*)?", place):
            return self.url  # a host and perhaps a port: an @ behind them means something else
        login, at, address = rest.rpartition("@")
        if "@" in place and (_is_host(place) or not _is_host(re.split(r"[/?#]", address)[0])):
            login, at, address = place.rpartition("@")
            address += rest[len(place) :]
        user, colon, password = login.partition(":")
        return f"{scheme}{separator}{_escaped(user)}{colon}{_escaped(password)}{at}{address}"


def _is_host(place: str) -> bool:
    """Whether it ends in what is clearly a host: an address, a dotted name, or one with a port."""
    host = place.rpartition("@")[2]
    return bool(re.fullmatch(r"\[[\da-fA-F:.]+\](:\d+)?|[\w-]+((\.[\w-]+)+(:\d+)?|:\d+)", host))


def _escaped(text: str) -> str:
    """Percent-encoded, unless it is already."""
    done = re.fullmatch(r"([\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*", text, re.ASCII)
    return text if done else quote(text, safe="")


def redact(text: str) -> str:
    """The text without user names, passwords and keys in its URLs."""
    text = re.sub(r"(\w+://)\S*@", r"\1***@", text)
    secret = r"([?&][^=&\s]*(?:pass|pwd|token|key|secret|auth|sig)[^=&\s]*=)[^&\s]+"
    return re.sub(secret, r"\1***", text, flags=re.IGNORECASE)


def find_sources(wanted: Iterable[Wanted]) -> list[Source]:
    """Every single source that is meant, with a name of its own."""
    found: list[Source] = []
    taken: set[str] = set()
    for item in wanted:
        for url in _expand(item.url):
            name = _unique(item.name or name_of(url), taken)
            found.append(Source(name, url, _is_live(url), item.reading))
    return found


def _expand(url: str) -> list[str]:
    if "://" in url:
        scheme = url.split("://")[0].lower()
        if scheme != "file" and scheme not in _SCHEMES:
            raise SourceError(f"{redact(url)}: {scheme} is not one of {', '.join(_SCHEMES)}, file")
        return [url] if scheme != "file" else _expand(url[len("file://") :])
    path = Path(url)
    if path.is_dir():
        inside = [p for p in sorted(path.iterdir()) if p.suffix.lower() in VIDEO_SUFFIXES]
        if not inside:
            raise SourceError(f"{url}: there is no video in this folder")
        return [str(p) for p in inside]
    if not path.exists() and glob.has_magic(url):
        matches = sorted(glob.glob(url))
        if not matches:
            raise SourceError(f"{url}: no file matches")
        return matches
    return [url]


def _is_live(url: str) -> bool:
    if url.startswith("/dev/video"):
        return True
    path = re.split(r"[?#]", url)[0]
    return "://" in url and Path(path).suffix.lower() not in VIDEO_SUFFIXES


def name_of(url: str) -> str:
    """A camera's name from its file or address, without what could be a secret."""
    if "://" in url:
        place = url.split("://", 1)[1].rsplit("@", 1)[-1]
        stem = re.split(r"[?#]", place)[0].strip("/")
    else:
        stem = Path(url).stem
    return re.sub(r"[^\w.-]+", "-", stem).strip("-")[:64] or "camera"


def _unique(name: str, taken: set[str]) -> str:
    """Two files of the same name in two folders are two cameras."""
    unique, number = name, 1
    while unique in taken:
        number += 1
        unique = f"{name}-{number}"
    taken.add(unique)
    return unique
