"""Stage `events`: beliefs become interactions with a beginning, an end and a best moment."""

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from models.vocabulary import Vocabulary
from storage.interactions import (
    PICK_UP,
    PUT_DOWN,
    EndReason,
    Interaction,
    Kind,
    Phase,
    interaction_id,
)
from storage.pair_vectors import PairVector
from storage.tracks import Track
from stream.frames import Change, EventFrame, Round, SmoothedFrame
from stream.intervals import Intervals, Moments, Told
from stream.motion import Motion, MotionSettings
from stream.presence import Presences
from stream.rivals import find_rivals
from stream.sightings import Instant, Pair, Story, View
from stream.smooth import Smoothing
from stream.transitions import Transition, Transitions, TransitionSettings

_JITTER = 1e-6  # seconds by which sums of times differ
_MOST_SAMPLES = 8  # pairs, the nearest ones: at 750 bytes every 5 s 104 MB a camera-day at most


@dataclass(frozen=True)
class Lifecycle:
    """Which verbs are events, and how things change hands; from the model bundle."""

    silent: tuple[str, ...] = ()  # verbs that are evidence only, never events
    carry: tuple[str, ...] = ("hold", "carry")  # a thing under one of these is carried
    not_carry: tuple[str, ...] = ()  # ... unless one of these is likelier (ride, push, sit on)
    transitions: TransitionSettings = field(default_factory=TransitionSettings)
    motion: MotionSettings = field(default_factory=MotionSettings)

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> "Lifecycle":
        values = dict(settings)
        for name in ("silent", "carry", "not_carry"):
            if name in values:
                values[name] = tuple(values[name])
        if "transitions" in values:
            transitions = dict(values["transitions"])
            transitions["portable"] = tuple(transitions.get("portable", ()))
            values["transitions"] = TransitionSettings(**transitions)
        if "motion" in values:
            values["motion"] = MotionSettings.from_dict(values["motion"])
        return cls(**values)


@dataclass
class _Camera:
    motion: Motion
    intervals: Intervals
    moments: Moments
    transitions: Transitions
    present: Presences
    sample_due: float = 0.0  # media seconds


class EventMaker:
    """Turns the smoothed frames of all cameras into interactions; `events` is the stage."""

    def __init__(
        self,
        vocabulary: Vocabulary,
        smoothing: Smoothing,
        lifecycle: Lifecycle,
        *,
        bundle: str,
        config: str,
        sample_seconds: float | None = None,
        names: Callable[[], Sequence[str]] | None = None,
    ) -> None:
        """Every `sample_seconds` of a camera, the vectors of its nearest pairs are kept.

        `names`: of the vocabulary's verbs and of those that joined it, which are intervals.
        """
        self._names: Sequence[str] = vocabulary.verb_names
        self._all_names = names or (lambda: vocabulary.verb_names)
        self._sample_seconds = sample_seconds
        self._smoothing, self._lifecycle = smoothing, lifecycle
        self._bundle, self._config = bundle, config
        told = [v for v, verb in enumerate(vocabulary.verbs) if verb.name not in lifecycle.silent]
        self._states = [v for v in told if not vocabulary.verbs[v].moment]
        self._points = [v for v in told if vocabulary.verbs[v].moment]
        self._cameras: dict[str, _Camera] = {}

    def events(self, rounds: Iterable[Round[SmoothedFrame]]) -> Iterator[Round[EventFrame]]:
        for round_ in rounds:
            frames = tuple(self._step(smoothed) for smoothed in round_.frames)
            leaving = tuple(t for camera in round_.ended for t in self._leave(camera))
            closing = tuple(
                change
                for camera in round_.ended
                for change in self._close(camera, EndReason.SOURCE_END)
            )
            yield Round(frames, round_.ended, closing, leaving)
        leaving = tuple(t for camera in self._cameras for t in self._leave(camera))
        closing = tuple(
            change
            for camera in list(self._cameras)
            for change in self._close(camera, EndReason.SOURCE_END)
        )
        if closing or leaving:
            yield Round((), (), closing, leaving)

    def _leave(self, name: str) -> tuple[Track, ...]:
        camera = self._cameras.get(name)
        return () if camera is None else camera.present.leave()

    def _step(self, smoothed: SmoothedFrame) -> EventFrame:
        frame = smoothed.frame
        if smoothed.beliefs.probabilities.shape[1] > len(self._names):
            self._widen(smoothed.beliefs.probabilities.shape[1])
        camera = self._cameras.get(frame.camera)
        if camera is None:
            camera = self._cameras[frame.camera] = self._new_camera(frame.camera)
        view = camera.motion.correct(View(smoothed))
        camera.present.meet(view)
        told = camera.intervals.step(view) + camera.moments.step(view)
        changes = [self._interval(frame.camera, camera, item) for item in told]
        changes += [
            self._transition(frame.camera, camera, item) for item in camera.transitions.step(view)
        ]
        active = tuple(
            self._make(
                frame.camera, camera, cell[:2], self._names[cell[2]], story, Phase.UPDATE, None
            )
            for cell, story in camera.intervals.open()
        )
        samples = self._sample(camera, view) if self._sample_seconds is not None else ()
        tracks = camera.present.part(view)
        return EventFrame(frame, smoothed.detections, tuple(changes), active, samples, tracks)

    def _widen(self, verbs: int) -> None:
        """Take in those that joined up to this frame; the scorer may be ahead."""
        joined = range(len(self._names), verbs)
        self._names = tuple(self._all_names())[:verbs]
        self._smoothing = self._smoothing.widened(verbs)
        self._states = [*self._states, *joined]
        for camera in self._cameras.values():
            camera.intervals.widen(joined, self._smoothing.verbs)

    def _sample(self, camera: _Camera, view: View) -> tuple[PairVector, ...]:
        assert self._sample_seconds is not None
        if not view.score_of or view.media < camera.sample_due - _JITTER:
            return ()
        step = (
            self._sample_seconds
        )  # from when it was due, so that what frames are late adds not up
        camera.sample_due = max(camera.sample_due + step, view.media + step / 2)
        nearest = sorted(view.score_of, key=view.apart)[:_MOST_SAMPLES]
        seen = ((pair, view.sighting(pair, 0.0)) for pair in nearest)
        name = view.frame.frame.camera
        made = (
            self._vector(name, camera, pair, sighting.instant, "sample", None)
            for pair, sighting in seen
            if sighting is not None
        )
        return tuple(vector for vector in made if vector is not None)

    def _new_camera(self, name: str) -> _Camera:
        names, lifecycle = self._names, self._lifecycle
        return _Camera(
            Motion(lifecycle.motion, names),
            Intervals(self._states, self._smoothing.verbs),
            Moments(self._points, self._smoothing.verbs),
            Transitions(
                lifecycle.transitions,
                _indices(names, lifecycle.carry),
                _indices(names, lifecycle.not_carry),
            ),
            Presences(name, self._bundle),
        )

    def _close(self, name: str, reason: EndReason) -> list[Change]:
        camera = self._cameras.pop(name, None)
        if camera is None:
            return []
        told = camera.intervals.close(reason) + camera.moments.close()
        return [self._interval(name, camera, item) for item in told]

    def _interval(self, name: str, camera: _Camera, told: Told) -> Change:
        verb = self._names[told.verb]
        moment = told.verb in self._points
        made = self._make(
            name, camera, told.pair, verb, told.story, told.phase, told.reason, moment=moment
        )
        vector = None
        if not moment and told.phase is not Phase.UPDATE:
            start = told.phase is Phase.START
            instant = told.story.first if start else told.story.last
            vector = self._vector(name, camera, told.pair, instant, told.phase.value, made.id)
        return Change(made, told.story.best.image, vector)

    def _vector(
        self,
        name: str,
        camera: _Camera,
        pair: Pair,
        instant: Instant,
        moment: str,
        interaction: uuid.UUID | None,
    ) -> PairVector | None:
        """None: the pair was not scored just then."""
        if instant.vector is None:
            return None
        human, thing = (camera.present.track_id(number) for number in pair)
        return PairVector(
            camera=name,
            moment=moment,
            human_track=human,
            object_track=thing,
            object_class=instant.object_class,
            taken_at=instant.wall,
            media_time=instant.media,
            human_box=instant.human_box,
            object_box=instant.object_box,
            bundle=self._bundle,
            interaction=interaction,
            vector=instant.vector,
        )

    def _transition(self, name: str, camera: _Camera, item: Transition) -> Change:
        verb = PICK_UP if item.up else PUT_DOWN
        best = replace(item.sighting, score=item.score)
        story = Story(item.at, item.at, best, total=item.score, count=1)
        made = self._make(
            name, camera, item.pair, verb, story, Phase.END, EndReason.ENDED, moment=True
        )
        return Change(made, item.sighting.image)

    def _make(
        self,
        name: str,
        camera: _Camera,
        pair: Pair,
        verb: str,
        story: Story,
        phase: Phase,
        reason: EndReason | None,
        *,
        moment: bool = False,
    ) -> Interaction:
        human, thing = (camera.present.track_id(number) for number in pair)
        first, best = story.first, story.best.instant
        last = first if moment else story.last
        rivals = None
        if phase is Phase.END:
            rivals = find_rivals(story.best, pair, verb, self._names, camera.present.track_id)
        return Interaction(
            id=interaction_id(
                camera=name,
                verb=verb,
                human_track=human,
                object_track=thing,
                started_at=first.wall,
                bundle=self._bundle,
                config=self._config,
            ),
            camera=name,
            kind=Kind.MOMENT if moment else Kind.INTERVAL,
            phase=phase,
            verb=verb,
            human_track=human,
            object_track=thing,
            object_class=best.object_class,
            started_at=first.wall,
            ended_at=last.wall,
            media_start=first.media,
            media_end=last.media,
            mean_score=story.mean,
            peak_score=story.best.score,
            peak_at=best.media,
            human_box=best.human_box,
            object_box=best.object_box,
            bundle=self._bundle,
            config=self._config,
            end_reason=reason,
            vector=best.vector,
            rivals=rivals,
        )


def _indices(names: Sequence[str], wanted: Sequence[str]) -> list[int]:
    return [names.index(name) for name in wanted if name in names]
