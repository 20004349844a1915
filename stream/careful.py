"""Work on batches that one bad frame or a full memory may not stop."""

import json
import logging
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Generic, TypeVar

import cv2

from models.device import is_out_of_memory
from stream.errors import StreamError
from stream.frames import Frame
from stream.stats import Timing

logger = logging.getLogger(__name__)

T = TypeVar("T")
R = TypeVar("R")

_KEPT = 20  # frames a run; more of them tell nothing new
_TOO_MANY = 100  # frames in a row: not the frames are bad


class Quarantine:
    """Keeps the frames on which a stage failed, with what is needed to see it fail again."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._kept = self._in_a_row = 0

    def passed(self) -> None:
        self._in_a_row = 0

    def keep(self, frame: Frame, stage: str, error: Exception) -> None:
        """Raises when no frame gets through any more: then the stage is broken, not the frame."""
        self._in_a_row += 1
        reason = f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
        if self._in_a_row > _TOO_MANY:
            raise StreamError(f"{stage} failed on {_TOO_MANY} frames in a row: {reason}") from error
        if self._kept >= _KEPT:
            return
        self._kept += 1
        place = self._folder / f"{frame.camera}-{frame.epoch}-{frame.index}"
        logger.error("%s: %s failed on frame %d: %s", frame.camera, stage, frame.index, reason)
        facts = {
            "camera": frame.camera,
            "index": frame.index,
            "epoch": frame.epoch,
            "media_time": frame.media_time,
            "wall_time": frame.wall_time.isoformat(),
            "stage": stage,
            "error": "".join(traceback.format_exception(error)),
        }
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            place.with_suffix(".json").write_text(json.dumps(facts, indent=1))
            cv2.imwrite(
                str(place.with_suffix(".png")), cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR)
            )
        except (OSError, cv2.error) as failure:
            logger.warning("%s: the frame could not be kept: %s", frame.camera, failure)


class Careful(Generic[T, R]):
    """Calls a model on what belongs to the frames of a round; a frame it fails on gives None.

    Where memory does not suffice the batch is halved, for good.
    """

    def __init__(
        self,
        stage: str,
        call: Callable[[Sequence[T]], Sequence[R]],
        quarantine: Quarantine,
        timing: Timing | None = None,
    ) -> None:
        self._stage, self._call, self._quarantine = stage, call, quarantine
        self._timing = timing or Timing()
        self._most: int | None = None  # items in one call

    def run(self, frames: Sequence[Frame], items: Sequence[T]) -> list[R | None]:
        """One result a frame, in order."""
        results: list[R | None] = []
        at = 0
        while at < len(items):
            end = len(items) if self._most is None else min(at + self._most, len(items))
            done = self._try(frames[at:end], items[at:end])
            if done is not None:
                results += done
                at = end
        return results

    def _try(self, frames: Sequence[Frame], items: Sequence[T]) -> Sequence[R | None] | None:
        """None: again, with fewer."""
        began = time.monotonic()
        try:
            done = self._call(items)
        except Exception as error:
            if len(items) == 1:
                self._quarantine.keep(frames[0], self._stage, error)
                return [None]
            if is_out_of_memory(error):
                self._most = len(items) // 2
                logger.warning("%s: out of memory; batches of %d", self._stage, self._most)
                return None
            return [self._one(frame, item) for frame, item in zip(frames, items, strict=True)]
        self._timing.add(time.monotonic() - began, len(items))
        self._quarantine.passed()
        return done

    def _one(self, frame: Frame, item: T) -> R | None:
        done = self._try([frame], [item])
        return None if done is None else done[0]
