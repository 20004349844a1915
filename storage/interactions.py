"""`Interaction`: the event, the contract of pipeline, storage and dashboard."""

import json
import uuid
from dataclasses import asdict, dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

PICK_UP, PUT_DOWN = "pick up", "put down"  # told by how things move
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "hoi-stream/interaction")

Box = tuple[float, float, float, float]  # xyxy in pixels of the camera's image


class Kind(StrEnum):
    """How a verb happens in time."""

    INTERVAL = "interval"
    MOMENT = "moment"


class Phase(StrEnum):
    """Where in its life the event is; one id goes through all of them."""

    START = "start"
    UPDATE = "update"
    END = "end"


class EndReason(StrEnum):
    """Why an event is over."""

    ENDED = "ended"
    TRACK_LOST = "track_lost"
    SOURCE_END = "source_end"
    CRASH = "crash"


@dataclass(frozen=True)
class RejectedPair:
    """Another two of whom the verb was nearly told."""

    human_track: str
    object_track: str
    object_class: str
    score: float  # probability


@dataclass(frozen=True)
class Rivals:
    """What else it may have been at the peak."""

    verbs: tuple[tuple[str, float], ...]  # the likeliest others of the same two; probabilities
    pair: RejectedPair | None = None

    def to_dict(self) -> dict[str, Any]:
        return {"verbs": [list(v) for v in self.verbs], "pair": self.pair and asdict(self.pair)}

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> "Rivals":
        pair = row.get("pair")
        verbs = tuple((str(verb), float(score)) for verb, score in row["verbs"])
        return cls(verbs, None if pair is None else RejectedPair(**pair))


@dataclass(frozen=True)
class Interaction:
    """A person did something with a thing, at a place, from then to then."""

    id: uuid.UUID
    camera: str
    kind: Kind
    phase: Phase
    verb: str
    human_track: str  # camera:epoch:n
    object_track: str
    object_class: str
    started_at: datetime  # aware, UTC
    ended_at: datetime  # aware, UTC; the last observed time while the event is open
    media_start: float  # seconds of the camera's media clock
    media_end: float
    mean_score: float  # probability
    peak_score: float
    peak_at: float  # media seconds of the best moment
    human_box: Box  # at the peak
    object_box: Box
    bundle: str  # hash of the model bundle
    config: str  # hash of the settings
    end_reason: EndReason | None = None
    vector: npt.NDArray[np.float16] | None = field(default=None, compare=False)  # (D,) pair vector
    rivals: Rivals | None = None
    snapshot: str | None = None  # path below the media folder
    clip: str | None = None  # ... of a video around the peak; there some seconds after the event
    clip_peak: float | None = None  # seconds into the clip

    def __post_init__(self) -> None:
        if self.started_at.tzinfo is None or self.ended_at.tzinfo is None:
            raise ValueError("an interaction's times must be aware UTC datetimes")

    def to_dict(self, *, with_vector: bool = True) -> dict[str, Any]:
        """JSON-ready; the vector is a list of floats, times are ISO 8601."""
        row = {name: getattr(self, name) for name in _NAMES}
        row["rivals"] = None if self.rivals is None else self.rivals.to_dict()
        row["id"] = str(self.id)
        row["started_at"] = self.started_at.isoformat()
        row["ended_at"] = self.ended_at.isoformat()
        told = with_vector and self.vector is not None
        row["vector"] = np.asarray(self.vector).tolist() if told else None
        return row

    def to_json(self, *, with_vector: bool = True) -> str:
        return _encode(self.to_dict(with_vector=with_vector))

    @classmethod
    def from_dict(
        cls, row: dict[str, Any], vector: npt.NDArray[np.float16] | None = None
    ) -> "Interaction":
        """`vector`: what a row without one gets."""
        values = {name: row[name] for name in _NAMES if name in row}
        values["id"] = uuid.UUID(str(row["id"]))
        values["kind"], values["phase"] = Kind(row["kind"]), Phase(row["phase"])
        for name in ("started_at", "ended_at"):
            if isinstance(row[name], str):
                values[name] = datetime.fromisoformat(row[name])
        values["human_box"] = tuple(row["human_box"])
        values["object_box"] = tuple(row["object_box"])
        values["end_reason"] = EndReason(row["end_reason"]) if row["end_reason"] else None
        own, rivals = row.get("vector"), row.get("rivals")
        values["vector"] = vector if own is None else np.asarray(own, np.float16)
        values["rivals"] = None if rivals is None else Rivals.from_dict(rivals)
        return cls(**values)

    @classmethod
    def from_json(cls, text: str) -> "Interaction":
        return cls.from_dict(json.loads(text))


_NAMES = tuple(f.name for f in fields(Interaction))
_encode = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode


def interaction_id(
    *,
    camera: str,
    verb: str,
    human_track: str,
    object_track: str,
    started_at: datetime,
    bundle: str,
    config: str,
) -> uuid.UUID:
    """The same happening, seen by the same bundle and settings, always has the same id."""
    parts = (camera, verb, human_track, object_track, started_at.isoformat(), bundle, config)
    return uuid.uuid5(_NAMESPACE, "\n".join(parts))
