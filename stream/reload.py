"""Cameras come and go with the configuration file, while the others are watched."""

import logging
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stream.addresses import Source
from stream.errors import StreamError
from stream.rounds import Rounds

logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0  # how often the file's time is looked at

Load = Callable[[], Sequence[Source]]


class Reloader:
    """Brings the running sources to what the configuration says now; the rest of it is left.

    A configuration that cannot be used changes nothing: the last good one goes on.
    """

    def __init__(
        self,
        load: Load,
        rounds: Rounds,
        sources: Sequence[Source],
        *,
        mistakes: tuple[type[Exception], ...] = (StreamError,),
        on_change: Callable[[Sequence[Source]], None] = lambda _: None,
    ) -> None:
        self._load, self._rounds, self._mistakes = load, rounds, mistakes
        self._on_change = on_change
        self._sources = {source.name: source for source in sources}

    def reload(self) -> None:
        try:
            wanted = {source.name: source for source in self._load()}
        except self._mistakes as error:
            logger.error("%s; the cameras stay as they are", error)
            return
        old, self._sources = self._sources, wanted
        gone = [name for name, source in old.items() if wanted.get(name) != source]
        new = [source for name, source in wanted.items() if old.get(name) != source]
        self._on_change(list(wanted.values()))
        for name in gone:
            self._rounds.remove(name)
        for source in new:
            self._rounds.add(source)
        if gone or new:
            logger.info(
                "cameras changed: %s",
                ", ".join(f"{n} off" for n in gone if n not in wanted)
                or ", ".join(source.name for source in new),
            )


@contextmanager
def reloading(reloader: Reloader, path: Path) -> Iterator[None]:
    """Reloads when the file changes and, in the main thread, at SIGHUP."""
    stop, asked = threading.Event(), threading.Event()

    def watch() -> None:
        known = _stamp(path)
        while not stop.is_set():
            hurry = asked.wait(_LOOK_SECONDS)
            if stop.is_set():
                return
            stamp = _stamp(path)
            if hurry or (stamp is not None and stamp != known):
                asked.clear()
                known = stamp
                reloader.reload()

    def ask(*_: Any) -> None:
        asked.set()

    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGHUP, ask) if main else None
    thread = threading.Thread(target=watch, name="reload", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        asked.set()
        thread.join()
        if main:
            signal.signal(signal.SIGHUP, before)


def _stamp(path: Path) -> tuple[int, int] | None:
    """Changes when the file does; None while an editor has it moved away."""
    try:
        facts = path.stat()
    except OSError:
        return None
    return facts.st_mtime_ns, facts.st_ino
