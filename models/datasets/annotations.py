"""Annotation files: JSON checked against a form, and one line that says where it is wrong."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, TypeVar

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from models.datasets.examples import Floats
from models.errors import ModelError

Coordinate = Annotated[float, Field(allow_inf_nan=False)]
Box = tuple[Coordinate, Coordinate, Coordinate, Coordinate]
Index = Annotated[int, Field(ge=0)]
Form = TypeVar("Form")


class Row(BaseModel):
    """One object of an annotation file; keys that are not named are left unread."""

    model_config = ConfigDict(frozen=True, extra="ignore")


def read_annotations(path: Path, form: type[Form]) -> Form:
    """Parse a JSON file; raises `ModelError`: file, path in the JSON, reason."""
    try:
        return TypeAdapter(form).validate_json(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path}: {error.strerror or error}") from error
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = json_path(first["loc"])
        raise ModelError(f"{path}: {where}{': ' if where else ''}{first['msg']}") from error


def json_path(steps: Iterable[int | str]) -> str:
    """`annotation[3].boxes_h[0][2]`."""
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in steps)
    return text.removeprefix(".")


def boxes(rows: Iterable[Box]) -> Floats:
    """(N, 4), also if N is 0."""
    return np.array(list(rows), np.float32).reshape(-1, 4)
