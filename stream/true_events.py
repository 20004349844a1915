"""What a perfect detector, tracker and scorer would have told: the ceiling of answers.

Whatever is answered wrongly from these events was not understood, not found or badly ranked.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from models.evaluation.diary import Diary, Happening
from models.world.truth import Instance
from storage.interactions import EndReason, Interaction, Kind, Phase, interaction_id
from storage.tracks import Track
from stream.footage import Slot, Take

_BUNDLE = "truth"


def true_interactions(
    diary: Diary, takes: Sequence[Take], unknown: frozenset[str]
) -> Iterator[Interaction]:
    """Of everything that could be seen, but for `unknown` verbs; all are certain."""
    slot_of = {take.slot.seed: take.slot for take in takes}
    for one in diary.where(lambda one: one.seen and one.verb not in unknown):
        if (peak := _best_seen(diary, one)) is not None:
            yield _interaction(one, slot_of[one.clip], *peak)


def true_tracks(takes: Iterable[Take]) -> Iterator[Track]:
    """Everybody and everything, with the colours that they were drawn in."""
    for take in takes:
        frames: dict[int, list[tuple[float, Instance]]] = {}
        for frame in take.truth.frames:
            for instance in frame.instances:
                frames.setdefault(instance.id, []).append((frame.seconds, instance))
        for number, sightings in frames.items():
            (first, one), (last, _) = sightings[0], sightings[-1]
            yield Track(
                id=_track(take.slot, number),
                camera=take.camera,
                class_name=one.class_name,
                first_seen=take.began + timedelta(seconds=first),
                last_seen=take.began + timedelta(seconds=last),
                media_start=take.slot.media + first,
                media_end=take.slot.media + last,
                frames=len(sightings),
                bundle=_BUNDLE,
                colour=_name(one.colour),
            )


def _best_seen(diary: Diary, one: Happening) -> tuple[float, Instance, Instance] | None:
    """When, of a few times, the two were least hidden, and both then."""
    times = [one.start + share * (one.end - one.start) for share in (0.5, 0.25, 0.75, 0.0, 1.0)]
    seen = [(when, diary.at(one.clip, when)) for when in times]
    both = [
        (when, there[one.person], there[one.thing])
        for when, there in seen
        if one.person in there and one.thing in there
    ]
    return min(both, key=lambda item: item[1].occlusion + item[2].occlusion, default=None)


def _interaction(
    one: Happening, slot: Slot, peak: float, person: Instance, thing: Instance
) -> Interaction:
    human, object_ = _track(slot, one.person), _track(slot, one.thing)
    began = datetime.fromtimestamp(one.start, UTC)
    start = slot.media + one.start - slot.began.timestamp()
    return Interaction(
        id=interaction_id(
            camera=one.camera,
            verb=one.verb,
            human_track=human,
            object_track=object_,
            started_at=began,
            bundle=_BUNDLE,
            config="",
        ),
        camera=one.camera,
        kind=Kind.MOMENT if one.start == one.end else Kind.INTERVAL,
        phase=Phase.END,
        verb=one.verb,
        human_track=human,
        object_track=object_,
        object_class=one.thing_class,
        started_at=began,
        ended_at=datetime.fromtimestamp(one.end, UTC),
        media_start=start,
        media_end=start + one.end - one.start,
        mean_score=1.0,
        peak_score=1.0,
        peak_at=start + peak - one.start,
        human_box=person.box,
        object_box=thing.box,
        bundle=_BUNDLE,
        config="",
        end_reason=EndReason.ENDED,
    )


def _track(slot: Slot, number: int) -> str:
    return f"{slot.camera}:{slot.epoch}:{number}"


def _name(colour: str) -> str:
    """As `models.colours` spells it."""
    return "grey" if colour == "gray" else colour
