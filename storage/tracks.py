"""`Track`: one person or thing, from when it was first seen to when it was last."""

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

KIND = "track"  # in JSON, where an interaction says `interval` or `moment`


@dataclass(frozen=True)
class Track:
    """Told every minute while it is seen and once more when it has gone; the latest counts."""

    id: str  # camera:epoch:n
    camera: str
    class_name: str  # as it was seen most often
    first_seen: datetime  # aware, UTC
    last_seen: datetime
    media_start: float  # seconds of the camera's media clock
    media_end: float
    frames: int  # in which it was seen
    bundle: str  # hash of the model bundle
    colour: str | None = None  # of a thing, or of what a person wears above; as people say it
    lower_colour: str | None = None  # of what a person wears below
    look: npt.NDArray[np.float16] | None = field(default=None, compare=False)  # (D,) of length one

    def to_json(self) -> str:
        """Without the look."""
        row: dict[str, Any] = {"kind": KIND, **asdict(self)}
        del row["look"]
        row["first_seen"] = self.first_seen.isoformat()
        row["last_seen"] = self.last_seen.isoformat()
        return json.dumps(row, separators=(",", ":"), ensure_ascii=False)

    @classmethod
    def from_dict(cls, row: dict[str, Any], look: npt.NDArray[np.float16] | None = None) -> "Track":
        values = {name: row[name] for name in cls.__dataclass_fields__ if name in row}
        for name in ("first_seen", "last_seen"):
            values[name] = datetime.fromisoformat(row[name])
        return cls(**values, look=look)
