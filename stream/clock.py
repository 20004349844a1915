"""The clocks of one camera: media seconds that only grow, and the wall time that goes with them."""

from datetime import UTC, datetime, timedelta

_TICK = 1e-3  # seconds; the least step, for repeated and slightly reordered timestamps
_FORWARD_GAP = 10.0  # seconds; a longer step is a break (sensible: 5 to 60)
_BACKWARD_GAP = 1.0  # seconds; a further step back is a break, a shorter one is jitter
_BELIEVED = 5.0  # seconds between a camera's clock and ours up to which we take its own
_SETTLE = 1.0  # seconds at the start of an epoch in which frames come from the camera's buffer


class MediaClock:
    """Maps timestamps to media seconds from 0; `epoch` counts the breaks."""

    def __init__(self, epoch: int = 0) -> None:
        self._origin: float | None = None  # timestamp at media time 0 of the present epoch
        self._last: float | None = None
        self._pause: float | None = None  # media seconds of a gap that `restart` told of
        self._epoch = epoch

    def tick(self, pts: float | None, interval: float) -> tuple[float, int]:
        """Media time and epoch of the next frame; `interval` is the usual step between two."""
        step = max(interval, _TICK)
        if self._last is None:
            media = 0.0
        elif self._pause is not None:
            media = self._last + max(self._pause, _TICK)
        elif pts is None or self._origin is None:
            media = self._last + step
        else:
            media = pts - self._origin
            ahead = media - self._last
            if ahead > _FORWARD_GAP or ahead < -_BACKWARD_GAP:
                self._epoch += 1
                self._origin = None
                media = self._last + step
            else:
                media = max(media, self._last + _TICK)
        if self._origin is None and pts is not None:
            self._origin = pts - media
        self._pause = None
        self._last = media
        return media, self._epoch

    def mark(self) -> None:
        """The picture changed its nature (another size): a new epoch on the same timestamps."""
        self._epoch += 1

    def restart(self, elapsed: float) -> None:
        """The camera was lost for `elapsed` seconds and starts with timestamps of its own."""
        self._epoch += 1
        self._origin = None
        self._pause = elapsed


class WallClock:
    """Wall time of a live camera's frames: the camera's own where it sends it and is near ours.

    `offset` is how far the camera's clock is ahead of ours, `drift` how much further the media
    clock went than ours since the epoch began; seconds, None while unknown.
    """

    def __init__(self) -> None:
        self.offset: float | None = None
        self.drift: float | None = None
        self._epoch: int | None = None
        self._began = (0.0, datetime.min.replace(tzinfo=UTC))  # media and arrival
        self._last: datetime | None = None

    def tell(
        self, *, media: float, epoch: int, arrival: datetime, sent: datetime | None
    ) -> datetime:
        """When the frame was taken; `sent` is what the camera's sender reports say."""
        if epoch != self._epoch:
            self._epoch, self._began, self.drift = epoch, (media, arrival), None
        elapsed = (arrival - self._began[1]).total_seconds()
        if elapsed >= _SETTLE:
            if self.drift is None:
                self._began, self.drift = (media, arrival), 0.0
            else:
                self.drift = media - self._began[0] - elapsed
        told = arrival
        if sent is not None:
            self.offset = (sent - arrival).total_seconds()
            told = sent if abs(self.offset) <= _BELIEVED else arrival
        if self._last is not None and timedelta(0) < self._last - told <= timedelta(
            seconds=2 * _BELIEVED
        ):
            told = self._last  # between two clocks, or in a small step of ours, time stands still
        self._last = told
        return told
