"""What is true in a rendered clip: instances and verbs, intervals and moments."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

CLASSES = (
    "person",
    "ball",
    "bottle",
    "cup",
    "box",
    "backpack",
    "suitcase",
    "chair",
    "bench",
    "bicycle",
    "skateboard",
    "umbrella",
    "laptop",
    "book",
    "phone",
)

# Verb -> the things that people of this world do it with.
ACTS = {
    "hold": [
        "ball",
        "bottle",
        "cup",
        "box",
        "book",
        "phone",
        "umbrella",
        "backpack",
        "suitcase",
        "laptop",
        "skateboard",
    ],
    "carry": [
        "ball",
        "box",
        "backpack",
        "suitcase",
        "laptop",
        "book",
        "skateboard",
        "umbrella",
        "bottle",
        "cup",
    ],
    "drink with": ["bottle", "cup"],
    "read": ["book", "phone"],
    "sit on": ["chair", "bench", "box", "suitcase"],
    "stand on": ["box", "bench", "chair", "skateboard"],
    "ride": ["bicycle", "skateboard"],
    "push": ["box", "suitcase", "bicycle", "chair"],
    "pull": ["suitcase", "box", "chair"],
    "kick": ["ball", "box", "bottle"],
    "throw": ["ball", "bottle", "box", "book"],
    "open": ["umbrella", "box", "laptop", "suitcase"],
    "wear": ["backpack"],
    "talk on": ["phone"],
}

PICK_UP, PUT_DOWN = "pick up", "put down"
VERBS = ("hold", "carry", PICK_UP, *list(ACTS)[2:])
MOMENT_VERBS = (PICK_UP, PUT_DOWN, "throw", "kick")

# Pairs of zero-shot tests: drawn, but what is tested must not be trained on them.
UNSEEN = frozenset(
    {
        ("carry", "box"),
        ("sit on", "bench"),
        ("kick", "box"),
        ("push", "suitcase"),
        ("stand on", "chair"),
        ("throw", "bottle"),
        ("open", "laptop"),
        ("read", "phone"),
        ("pull", "chair"),
    }
)
# The same for whole verbs, in other tests.
UNSEEN_VERBS = ("drink with", "ride", "pull", "throw")


@dataclass(frozen=True)
class Instance:
    """One visible person or thing of a frame."""

    id: int
    class_name: str
    box: tuple[float, float, float, float]  # xyxy pixels, hidden parts included, cut by the frame
    occlusion: float  # share of it that others hide
    truncation: float  # share of its box outside the frame
    colour: str  # of the shirt or the thing


@dataclass(frozen=True)
class PairTruth:
    """What a person does with a thing in one frame."""

    human: int
    object: int
    verbs: tuple[str, ...]


@dataclass(frozen=True)
class FrameTruth:
    """One frame."""

    seconds: float
    instances: tuple[Instance, ...]
    pairs: tuple[PairTruth, ...]

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "FrameTruth":
        return cls(
            row["seconds"],
            tuple(Instance(**i | {"box": tuple(i["box"])}) for i in row["instances"]),
            tuple(PairTruth(**p | {"verbs": tuple(p["verbs"])}) for p in row["pairs"]),
        )


@dataclass(frozen=True)
class IntervalTruth:
    """A verb that lasted."""

    verb: str
    human: int
    object: int
    object_class: str
    start: float  # seconds
    end: float


@dataclass(frozen=True)
class MomentTruth:
    """A verb at a point in time."""

    verb: str
    human: int
    object: int
    object_class: str
    seconds: float


@dataclass(frozen=True)
class ClipTruth:
    """Everything that is true in a clip."""

    seed: int
    width: int
    height: int
    fps: float
    frames: tuple[FrameTruth, ...]
    intervals: tuple[IntervalTruth, ...]
    moments: tuple[MomentTruth, ...]

    def to_json(self) -> str:
        return json.dumps(asdict(self), separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> "ClipTruth":
        row: dict[str, Any] = json.loads(text)
        frames = tuple(FrameTruth.from_dict(frame) for frame in row["frames"])
        intervals = tuple(IntervalTruth(**i) for i in row["intervals"])
        moments = tuple(MomentTruth(**m) for m in row["moments"])
        return cls(**row | {"frames": frames, "intervals": intervals, "moments": moments})


def find_intervals(
    frames: Iterable[tuple[float, Iterable[PairTruth]]], end: float, classes: dict[int, str]
) -> tuple[IntervalTruth, ...]:
    """Runs of frames in which a pair keeps a lasting verb; `end` closes what is left."""
    found: list[IntervalTruth] = []
    began: dict[tuple[int, int, str], float] = {}
    for seconds, pairs in (*frames, (end, ())):
        now = {
            (pair.human, pair.object, verb): None
            for pair in pairs
            for verb in pair.verbs
            if verb not in MOMENT_VERBS
        }
        for key in [key for key in began if key not in now]:
            human, thing, verb = key
            found.append(IntervalTruth(verb, human, thing, classes[thing], began.pop(key), seconds))
        for key in now:
            began.setdefault(key, seconds)
    return tuple(found)
