"""What the HTTP door says: the shapes of its answers, as its description shows them."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field


class SpanOut(BaseModel):
    """Characters `start` to `end` of the question were taken for `meaning`."""

    start: int
    end: int
    said: str
    meaning: str


class RowOut(BaseModel):
    interaction: dict[str, Any]
    evidence: list[dict[str, Any]]
    cells: list[str]
    by_chance: float | None = Field(
        description="how likely a moment scores so high in which it did not happen"
    )
    asked: bool = Field(description="found in stored vectors, not told live")


class PointOut(BaseModel):
    """False alarms a day of a threshold (log-odds), and between what they are (90 %)."""

    threshold: float
    per_day: float
    low: float
    high: float


class CertaintyOut(BaseModel):
    """Of a verb that nobody configured; without a threshold too little is stored to tell."""

    phrase: str
    moments: int
    per_day: float
    threshold: float | None
    low: float | None
    high: float | None
    curve: list[PointOut] = Field(description="of thresholds; empty: too little is stored to tell")


class HorizonOut(BaseModel):
    """All from `since` to `until` was looked at; null: as far as was asked."""

    samples: int = Field(description="vectors of pairs, of each bundle")
    since: datetime | None
    until: datetime | None


class AnswerOut(BaseModel):
    """Ask for the next page with `until` = `as_of`, and rows do not shift."""

    summary: str
    number: int | None = Field(description="for 'how many'")
    yes: bool | None = Field(description="for 'did anyone'; null: it is not known")
    expected: float | None = Field(
        description="rows by chance alone, in the time asked about; with several parts, at most"
    )
    total: int
    complete: bool
    horizon: HorizonOut | None = Field(
        description="where the look at stored vectors ended; null: all of them were looked at"
    )
    columns: list[str]
    rows: list[RowOut]
    less_sure: list[RowOut] = Field(
        description="on the first page, where few are found: not told when it happened, or of a "
        "thing of another colour; the likeliest first, not counted"
    )
    understood: list[SpanOut]
    not_understood: list[str]
    absent: list[str] = Field(description="of these what is a thing, yet like nothing that is seen")
    certainty: list[CertaintyOut]
    as_of: datetime
    next_offset: int | None


class PageOut(BaseModel):
    interactions: list[dict[str, Any]]
    next_offset: int | None
