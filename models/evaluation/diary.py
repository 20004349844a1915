"""What truly happened before all cameras, read slowly: the other side of the ask benchmark.

Nothing here knows how questions are parsed or stored; a condition is a plain function over one
happening.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from models.evaluation.detection import HIDDEN
from models.evaluation.events import box_iou
from models.world.truth import ClipTruth, FrameTruth, Instance

Box = tuple[float, float, float, float]  # xyxy, pixels

_LEAST_SECONDS = 0.4  # a shorter act is not asked for
_PAUSE_SECONDS = 1.0  # a shorter pause does not make two acts of one
_AROUND_MOMENT = 0.5  # seconds in which it must be seen
_OVERLAP = 0.3  # IoU from which a box is that of a true person or thing
_SLACK = 1.0  # seconds, around moments


@dataclass(frozen=True)
class Happening:
    """Somebody did something with a thing; a moment has start == end."""

    clip: int
    camera: str
    verb: str
    person: int  # ids of the clip
    thing: int
    thing_class: str
    shirt: str  # colours
    thing_colour: str
    start: float  # seconds since 1970
    end: float
    seen: bool  # False: too short or too hidden for anybody to see it

    @property
    def who(self) -> tuple[int, int]:
        return self.clip, self.person

    @property
    def what(self) -> tuple[int, int]:
        return self.clip, self.thing


Test = Callable[[Happening], bool]


@dataclass(frozen=True)
class Found:
    """A row of an answer: somebody with something, when and where in the picture."""

    camera: str
    start: float  # seconds since 1970
    end: float
    peak: float  # when the boxes were there
    person: Box
    thing: Box
    score: float


class Diary:
    """All happenings of all clips, and where everybody was."""

    def __init__(self, clips: Iterable[tuple[str, float, ClipTruth]]) -> None:
        """`clips`: camera, seconds since 1970 of the first frame, truth."""
        self._began: dict[int, float] = {}
        self._frames: dict[int, tuple[FrameTruth, ...]] = {}
        self._seconds: dict[int, npt.NDArray[np.float64]] = {}  # of the frames
        self.happenings: list[Happening] = []
        for camera, began, truth in clips:
            self._began[truth.seed], self._frames[truth.seed] = began, truth.frames
            self._seconds[truth.seed] = np.array([frame.seconds for frame in truth.frames])
            self.happenings += _happenings(camera, began, truth)
        self.happenings.sort(key=lambda one: (one.start, one.camera, one.verb, one.end))
        self._of_person: dict[tuple[int, int], list[Happening]] = defaultdict(list)
        self._with_thing: dict[tuple[int, int], list[Happening]] = defaultdict(list)
        for one in self.happenings:
            self._of_person[one.who].append(one)
            self._with_thing[one.what].append(one)

    def where(self, test: Test) -> list[Happening]:
        return [one for one in self.happenings if test(one)]

    def of_person(self, one: Happening) -> Sequence[Happening]:
        """All that the same person did, itself included, in the order of time."""
        return self._of_person[one.who]

    def with_thing(self, one: Happening) -> Sequence[Happening]:
        """All that was done with the same thing."""
        return self._with_thing[one.what]

    def shows(self, found: Found, one: Happening) -> bool:
        """Is the row this happening: camera, time, and both boxes on the true two?"""
        instances = self.at(one.clip, found.peak)
        person, thing = instances.get(one.person), instances.get(one.thing)
        return (
            _meanwhile(found, one)
            and person is not None
            and thing is not None
            and _same(person.box, found.person)
            and _same(thing.box, found.thing)
        )

    def at(self, clip: int, when: float) -> Mapping[int, Instance]:
        """Who and what was visible in the frame nearest to a time."""
        frames = self._frames[clip]
        nearest = int(np.abs(self._seconds[clip] - (when - self._began[clip])).argmin())
        return {instance.id: instance for instance in frames[nearest].instances}


def _meanwhile(found: Found, one: Happening) -> bool:
    slack = _SLACK if one.start == one.end or found.start == found.end else 0.0
    early, late = one.start - slack, one.end + slack
    return found.camera == one.camera and found.start <= late and found.end >= early


def _same(box: Box, other: Box) -> bool:
    iou = box_iou(np.array([box], np.float32), np.array([other], np.float32))
    return bool(iou[0, 0] >= _OVERLAP)


def _happenings(camera: str, began: float, truth: ClipTruth) -> Iterator[Happening]:
    colours = {i.id: i.colour for frame in truth.frames for i in frame.instances}
    acts = [(i.verb, i.human, i.object, i.object_class, i.start, i.end) for i in truth.intervals]
    acts += [
        (m.verb, m.human, m.object, m.object_class, m.seconds, m.seconds) for m in truth.moments
    ]
    raw = [
        Happening(
            truth.seed,
            camera,
            verb,
            person,
            thing,
            thing_class,
            colours.get(person, ""),
            colours.get(thing, ""),
            began + start,
            began + end,
            True,
        )
        for verb, person, thing, thing_class, start, end in acts
    ]
    for one in _joined(raw):
        yield replace(one, seen=_is_seen(one, began, truth))


def _joined(acts: Sequence[Happening]) -> list[Happening]:
    """Acts of the same two with the same verb are one where the pause between is short."""
    joined: list[Happening] = []
    for one in sorted(acts, key=lambda act: (act.verb, act.person, act.thing, act.start)):
        last = joined[-1] if joined else one
        same = (last.verb, last.who, last.what) == (one.verb, one.who, one.what)
        if joined and same and one.start - last.end < _PAUSE_SECONDS and one.end > one.start:
            joined[-1] = replace(last, end=one.end)
        else:
            joined.append(one)
    return joined


def _is_seen(one: Happening, began: float, truth: ClipTruth) -> bool:
    moment = one.start == one.end
    margin = _AROUND_MOMENT if moment else 0.0
    if not moment and one.end - one.start < _LEAST_SECONDS:
        return False
    early, late = one.start - began - margin - 1e-6, one.end - began + margin + 1e-6
    frames = [frame for frame in truth.frames if early <= frame.seconds <= late]
    both = 0
    for frame in frames:
        visible = {i.id for i in frame.instances if i.occlusion <= HIDDEN}
        both += one.person in visible and one.thing in visible
    return 2 * both >= len(frames) > 0
