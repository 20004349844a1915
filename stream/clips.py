"""Evidence clips: which seconds of which camera, cut when the last of them is there."""

import logging
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from storage.interactions import Interaction, Phase
from stream.packets import PacketRing

logger = logging.getLogger(__name__)


@dataclass
class _Plan:
    interaction: Interaction  # with its clip
    start: float  # media seconds
    end: float
    cut: bool = False


class Clips:
    """A clip per interaction from `before` to `after` seconds around its peak.

    The name is given out with the event; the file is there `after` seconds later.
    """

    def __init__(
        self, ring: Callable[[str], PacketRing], media: Path, *, before: float, after: float
    ) -> None:
        self._ring, self._media = ring, media
        self._before, self._after = before, after
        self._plans: dict[str, dict[str, _Plan]] = {}  # by camera and interaction
        self._failed = False  # the last clip could not be written

    def plan(self, interaction: Interaction) -> Interaction:
        """With the clip's name and where in it the peak is, if it can be cut."""
        plans = self._plans.setdefault(interaction.camera, {})
        known = plans.get(str(interaction.id))
        if known is not None and known.interaction.peak_at == interaction.peak_at:
            old = known.interaction
            known.interaction = replace(interaction, clip=old.clip, clip_peak=old.clip_peak)
            return known.interaction
        peak = interaction.peak_at
        found = self._ring(interaction.camera).plan(peak - self._before)
        if found is None or found[0] > peak:
            return interaction
        start, suffix = found
        place = f"clips/{interaction.started_at:%Y-%m-%d}/{interaction.id}{suffix}"
        planned = replace(interaction, clip=place, clip_peak=round(peak - start, 3))
        plans[str(interaction.id)] = _Plan(planned, start, peak + self._after)
        return planned

    def step(self, camera: str, media: float) -> None:
        """The camera has come to this media time: cut what is complete, forget what is over."""
        plans = self._plans.get(camera, {})
        for key, plan in list(plans.items()):
            if not plan.cut and media >= plan.end:
                self._cut(plan)
            if plan.cut and plan.interaction.phase is Phase.END:
                del plans[key]

    def close(self, camera: str) -> None:
        """No more frames of it: cut what there is."""
        for plan in self._plans.pop(camera, {}).values():
            if not plan.cut:
                self._cut(plan)

    def close_all(self) -> None:
        for camera in list(self._plans):
            self.close(camera)

    def _cut(self, plan: _Plan) -> None:
        plan.cut = True
        path = self._media / str(plan.interaction.clip)
        part = path.with_name(path.name + ".part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            ring = self._ring(plan.interaction.camera)
            if ring.cut(part, start=plan.start, end=plan.end):
                os.replace(part, path)
        except OSError as error:
            with suppress(OSError):
                part.unlink()
            if not self._failed:
                logger.warning("no clips: %s: %s", path.parent, error.strerror)
            self._failed = True
        else:
            self._failed = False
