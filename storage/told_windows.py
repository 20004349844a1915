"""Windows of stored vectors told as interactions, among those that were told live."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

from sqlalchemy.orm import Session

from storage.interactions import (
    PICK_UP,
    PUT_DOWN,
    EndReason,
    Interaction,
    Kind,
    Phase,
    interaction_id,
)
from storage.vector_rows import VectorScores, Views, look_at
from storage.windows import Window

_SLACK = timedelta(seconds=3)
ASKED = "asked"  # in place of the settings' hash: no run has told this interaction


def order_of(one: Interaction, *, upwards: bool) -> tuple[timedelta, str]:
    """Sorts as the database does: by start, then by id."""
    since = one.started_at - datetime(1970, 1, 1, tzinfo=UTC)
    return since if upwards else -since, one.id.hex


def told(
    session: Session, scores: VectorScores, phrase: str, windows: Sequence[Window]
) -> list[Interaction]:
    """Windows as interactions; picture and boxes are of an interaction's peak where one is near."""
    shown = [_shown(scores, window) for window in windows]
    views = look_at(session, scores, shown)
    found = (
        _interaction(scores, phrase, window, row, views)
        for window, row in zip(windows, shown, strict=True)
    )
    return [one for one in found if one is not None]


def _shown(scores: VectorScores, window: Window) -> int:
    """The likeliest row that has a picture, else the likeliest."""
    peaks = [row for row in window.rows if scores.peak[row]]
    return int(max(peaks, key=lambda row: scores.logits[row].max()) if peaks else window.best)


def _interaction(
    scores: VectorScores, phrase: str, window: Window, row: int, views: Views
) -> Interaction | None:
    """None: retention has deleted it meanwhile."""
    view = views.get(row)
    if view is None:
        return None
    human, thing = scores.pairs[scores.pair[row]]
    start, end = (datetime.fromtimestamp(scores.seconds[i], UTC) for i in window.ends)
    began, ended = (view.media + scores.seconds[i] - scores.seconds[row] for i in window.ends)
    return Interaction(
        id=interaction_id(
            camera=view.camera,
            verb=phrase,
            human_track=human,
            object_track=thing,
            started_at=start,
            bundle=scores.bundle,
            config=ASKED,
        ),
        camera=view.camera,
        kind=Kind.INTERVAL if end > start else Kind.MOMENT,
        phase=Phase.END,
        verb=phrase,
        human_track=human,
        object_track=thing,
        object_class=view.object_class,
        started_at=start,
        ended_at=end,
        media_start=float(began),
        media_end=float(ended),
        mean_score=window.mean,
        peak_score=window.score,
        peak_at=view.media,
        human_box=view.human_box,
        object_box=view.object_box,
        bundle=scores.bundle,
        config=ASKED,
        end_reason=EndReason.ENDED,
        snapshot=view.snapshot,
        clip=view.clip,
        clip_peak=view.clip_peak,
    )


def is_sampled(one: Interaction) -> bool:
    """Is it known by samples alone? Its ends are then known to the time between two of them.

    Pick-ups and put-downs that custody implies are not: no vector is asked for these.
    """
    return one.config == ASKED and one.verb not in (PICK_UP, PUT_DOWN)


def slack_of(one: Interaction) -> timedelta:
    """A moment is told at another time by who sees it and by who concludes it."""
    return _SLACK if one.started_at == one.ended_at else timedelta()


def without_told(found: Sequence[Interaction], stored: Iterable[Interaction]) -> list[Interaction]:
    """Those of which the same was not told live, by another bundle."""
    by: dict[tuple[str, str, str], list[Interaction]] = {}
    for one in stored:
        by.setdefault((one.verb, one.human_track, one.object_track), []).append(one)
    return [
        one
        for one in found
        if not any(
            other.started_at <= one.ended_at + slack_of(one)
            and other.ended_at >= one.started_at - slack_of(one)
            for other in by.get((one.verb, one.human_track, one.object_track), ())
        )
    ]
