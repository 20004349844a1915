"""The media clock: seconds of one camera that only grow, whatever its timestamps do."""

_TICK = 1e-3  # seconds; the least step, for repeated and slightly reordered timestamps
_FORWARD_GAP = 10.0  # seconds; a longer step is a break (sensible: 5 to 60)
_BACKWARD_GAP = 1.0  # seconds; a further step back is a break, a shorter one is jitter


class MediaClock:
    """Maps timestamps to media seconds from 0; `epoch` counts the breaks."""

    def __init__(self) -> None:
        self._origin: float | None = None  # timestamp at media time 0 of the present epoch
        self._last: float | None = None
        self._pause: float | None = None  # media seconds of a gap that `restart` told of
        self._epoch = 0

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
