"""Stage `deliver`: the picture of the best moment, then the event, durable before it is sent."""

import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import cv2

from storage.errors import StorageError
from storage.interactions import Interaction, Phase
from storage.outbox import Record
from stream.clips import Clips
from stream.frames import Change, EventFrame, Image, Round, changes_of

logger = logging.getLogger(__name__)

_QUALITY = 85  # of a JPEG; less shows around small things
_MOST_WAITING = 10_000  # events in memory; more, and the run ends
_RETRY_SECONDS = 1.0
_LONGEST_SIDE = 1280  # pixels; more tells a person no more


class Deliver:
    """Hands every change to `append` and passes the rounds on; `deliver` is the stage."""

    def __init__(
        self,
        append: Callable[[Sequence[Record]], None],
        media: Path,
        clips: Clips | None = None,
    ) -> None:
        self._append, self._media, self._clips = append, media, clips
        self._full = False  # the last picture could not be written
        self._waiting: list[Record] = []  # the outbox could not take them
        self._retry = 0.0  # monotonic seconds

    @property
    def waiting(self) -> int:
        """Events that are in memory alone, because the disk is full."""
        return len(self._waiting)

    def deliver(self, rounds: Iterable[Round[EventFrame]]) -> Iterator[Round[EventFrame]]:
        for round_ in rounds:
            frames = tuple(
                replace(frame, changes=self._with_evidence(frame.changes))
                for frame in round_.frames
            )
            delivered = replace(round_, frames=frames, closing=self._with_evidence(round_.closing))
            changes = changes_of(delivered)
            records: list[Record] = [change.interaction for change in changes]
            records += [change.vector for change in changes if change.vector is not None]
            records += [track for frame in frames for track in frame.tracks]
            records += round_.leaving
            self._keep(records, [sample for frame in frames for sample in frame.samples])
            self._cut(delivered)
            yield delivered
        if self._clips is not None:
            self._clips.close_all()
        if self._waiting:
            self._append(self._waiting)

    def _keep(self, records: list[Record], samples: Sequence[Record]) -> None:
        """A full disk holds nothing up: what it does not take waits here, some minutes' worth."""
        if self._waiting and time.monotonic() < self._retry:
            self._waiting += records
            return
        wanted = [*self._waiting, *records, *samples]
        if not wanted:
            return
        try:
            self._append(wanted)
        except StorageError as error:
            self._waiting += records
            if len(self._waiting) > _MOST_WAITING:
                raise
            if not self._retry:
                logger.error("%s: events wait in memory, samples are lost", error)
            self._retry = time.monotonic() + _RETRY_SECONDS
        else:
            if self._retry:
                logger.info("the outbox takes events again")
            self._waiting, self._retry = [], 0.0

    def _cut(self, round_: Round[EventFrame]) -> None:
        if self._clips is None:
            return
        for frame in round_.frames:
            self._clips.step(frame.frame.camera, frame.frame.media_time)
        for camera in round_.ended:
            self._clips.close(camera)

    def _with_evidence(self, changes: tuple[Change, ...]) -> tuple[Change, ...]:
        return tuple(self._with_clip(self._with_picture(change)) for change in changes)

    def _with_clip(self, change: Change) -> Change:
        if self._clips is None:
            return change
        return replace(change, interaction=self._clips.plan(change.interaction))

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
