"""Two lists of events compared: what is the same, gained, lost, or moved in time."""

from collections.abc import Sequence
from dataclasses import dataclass

from storage.interactions import Interaction, Kind

_TEMPORAL_IOU = 0.3  # of intervals that may be the same
_MOMENT_SECONDS = 1.0  # between moments that may be the same
_MOVED_SECONDS = 0.25  # less is no move


@dataclass(frozen=True)
class Differences:
    """Every event of both lists is in exactly one place; times are media seconds."""

    same: tuple[Interaction, ...]
    gained: tuple[Interaction, ...]
    lost: tuple[Interaction, ...]
    moved: tuple[tuple[Interaction, Interaction], ...]  # old, new


def compare(old: Sequence[Interaction], new: Sequence[Interaction]) -> Differences:
    """Ended events are matched one to one, those that agree best first.

    Verb and object class must be equal; tracks need not, for another detector numbers them anew.
    """
    candidates = sorted(
        (
            (-agreement, i, j)
            for i, before in enumerate(old)
            for j, after in enumerate(new)
            if (agreement := _agreement(before, after)) > 0
        ),
    )
    partner: dict[int, int] = {}
    taken: set[int] = set()
    for _, i, j in candidates:
        if i not in partner and j not in taken:
            partner[i] = j
            taken.add(j)
    pairs = [(old[i], new[j]) for i, j in sorted(partner.items())]
    return Differences(
        same=tuple(after for before, after in pairs if not _has_moved(before, after)),
        gained=tuple(event for j, event in enumerate(new) if j not in taken),
        lost=tuple(event for i, event in enumerate(old) if i not in partner),
        moved=tuple(pair for pair in pairs if _has_moved(*pair)),
    )


def _agreement(old: Interaction, new: Interaction) -> float:
    """0: not the same; higher is better."""
    if (old.verb, old.object_class, old.kind) != (new.verb, new.object_class, new.kind):
        return 0.0
    if old.kind is Kind.MOMENT:
        apart = abs(old.media_start - new.media_start)
        return 2.0 - apart if apart <= _MOMENT_SECONDS else 0.0
    shared = min(old.media_end, new.media_end) - max(old.media_start, new.media_start)
    whole = max(old.media_end, new.media_end) - min(old.media_start, new.media_start)
    overlap = shared / whole if whole > 0 else float(shared == 0)
    return overlap if overlap >= _TEMPORAL_IOU else 0.0


def _has_moved(old: Interaction, new: Interaction) -> bool:
    return (
        abs(old.media_start - new.media_start) > _MOVED_SECONDS
        or abs(old.media_end - new.media_end) > _MOVED_SECONDS
    )
