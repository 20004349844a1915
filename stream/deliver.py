"""Stage `deliver`: the picture of the best moment, then the event, durable before it is sent."""

import logging
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from storage.interactions import Interaction, Phase
from stream.frames import Change, EventFrame, Image, Round, changes_of

logger = logging.getLogger(__name__)

_QUALITY = 85  # of a JPEG; less shows around small things
_LONGEST_SIDE = 1280  # pixels; more tells a person no more


class Deliver:
    """Hands every change to `append` and passes the rounds on; `deliver` is the stage."""

    def __init__(self, append: Callable[[Sequence[Interaction]], None], media: Path) -> None:
        self._append, self._media = append, media
        self._full = False  # the last picture could not be written

    def deliver(self, rounds: Iterable[Round[EventFrame]]) -> Iterator[Round[EventFrame]]:
        for round_ in rounds:
            frames = tuple(
                replace(frame, changes=self._with_pictures(frame.changes))
                for frame in round_.frames
            )
            delivered = Round(frames, round_.ended, self._with_pictures(round_.closing))
            if changes := changes_of(delivered):
                self._append([change.interaction for change in changes])
            yield delivered

    def _with_pictures(self, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        return tuple(self._with_picture(change) for change in changes)

    def _with_picture(self, change: Change) -> Change:
        """At the start, for those who watch, and at the end, from the best moment of all."""
        if change.picture is None or change.interaction.phase is Phase.UPDATE:
            return change
        place = snapshot_place(change.interaction)
        if not self._write(self._media / place, change.picture):
            return change
        return replace(change, interaction=replace(change.interaction, snapshot=place))

    def _write(self, path: Path, picture: Image) -> bool:
        """An event without its picture is still an event: a full disk is told of, once."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            part = path.with_suffix(".part")
            part.write_bytes(_jpeg(picture))
            os.replace(part, path)
        except OSError as error:
            if not self._full:
                logger.warning("no pictures: %s: %s", path.parent, error.strerror)
            self._full = True
            return False
        self._full = False
        return True


def snapshot_place(interaction: Interaction) -> str:
    """Path below the media folder; the same over all phases."""
    return f"snapshots/{interaction.started_at:%Y-%m-%d}/{interaction.id}.jpg"


def _jpeg(picture: Image) -> bytes:
    scale = min(1.0, _LONGEST_SIDE / max(picture.shape[:2]))
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    return bytes(data)
