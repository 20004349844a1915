"""`PairVector`: what a scorer made of a pair at a moment, for verbs that are asked for later."""

import json
import uuid
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from storage.interactions import Box

KIND = "pair_vector"  # in JSON, where an interaction says `interval` or `moment`
_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "hoi-stream/pair-vector")


@dataclass(frozen=True)
class PairVector:
    """A pair at the start or the end of an interaction, or just near each other (`sample`).

    The vector of an interaction's peak is in the interaction itself.
    """

    camera: str
    moment: str  # start | end | sample
    human_track: str  # camera:epoch:n
    object_track: str
    object_class: str
    taken_at: datetime  # aware, UTC
    media_time: float  # seconds of the camera's media clock
    human_box: Box
    object_box: Box
    bundle: str  # hash of the model bundle, whose text tower the vector belongs to
    interaction: uuid.UUID | None
    vector: npt.NDArray[np.float16] = field(compare=False)  # (D,)

    @property
    def id(self) -> uuid.UUID:
        """The same pair at the same time has the same one, whoever runs again."""
        parts = self.camera, self.moment, self.human_track, self.object_track, self.bundle
        rest = self.taken_at.isoformat(), str(self.interaction)
        return uuid.uuid5(_NAMESPACE, "\n".join((*parts, *rest)))

    def to_json(self) -> str:
        """Without the vector."""
        row: dict[str, Any] = {"kind": KIND, **asdict(self)}
        del row["vector"]
        row["taken_at"] = self.taken_at.isoformat()
        row["interaction"] = None if self.interaction is None else str(self.interaction)
        return json.dumps(row, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_dict(cls, row: dict[str, Any], vector: npt.NDArray[np.float16]) -> "PairVector":
        values = {name: value for name, value in row.items() if name in cls.__dataclass_fields__}
        interaction = row["interaction"]
        values["interaction"] = None if interaction is None else uuid.UUID(interaction)
        values["taken_at"] = datetime.fromisoformat(row["taken_at"])
        values["human_box"] = tuple(row["human_box"])
        values["object_box"] = tuple(row["object_box"])
        return cls(**values, vector=vector)
