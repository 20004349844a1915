"""An answer ready for JSON, as the HTTP API and `stream ask --json` tell it."""

from datetime import datetime
from typing import Any

from storage.answers import Answer, Row
from storage.chances import Judgement
from storage.horizon import Horizon
from storage.interactions import Interaction


def answer_to_dict(found: Answer, *, as_of: datetime, offset: int) -> dict[str, Any]:
    """`offset`: of the first of its rows; `next_offset` is None on the last page.

    Who asks for the next page with `until` = `as_of` sees no row twice and misses none.
    """
    shown = offset + len(found.rows)
    return {
        "summary": found.summary,
        "number": found.number,
        "yes": found.yes,
        "expected": found.expected,
        "total": found.total,
        "complete": found.complete,
        "horizon": None if found.horizon is None else _horizon(found.horizon),
        "columns": list(found.columns),
        "rows": [_row(row) for row in found.rows],
        "less_sure": [_row(row) for row in found.less_sure],
        "understood": [vars(span) for span in found.understood],
        "not_understood": list(found.not_understood),
        "absent": list(found.absent),
        "certainty": [_certainty(judgement) for judgement in found.certainty],
        "as_of": as_of.isoformat(),
        "next_offset": shown if found.rows and shown < found.total else None,
    }


def _horizon(end: Horizon) -> dict[str, Any]:
    since, until = (None if t is None else t.isoformat() for t in (end.since, end.until))
    return {"samples": end.samples, "since": since, "until": until}


def interaction_to_dict(one: Interaction) -> dict[str, Any]:
    """Without the vector: what it is for stays here."""
    row = one.to_dict(with_vector=False)
    del row["vector"]
    return row


def _row(row: Row) -> dict[str, Any]:
    return {
        "interaction": interaction_to_dict(row.interaction),
        "evidence": [interaction_to_dict(one) for one in row.evidence],
        "cells": list(row.cells),
        "by_chance": row.by_chance,
        "asked": row.asked,
    }


def _certainty(judged: Judgement) -> dict[str, Any]:
    known = judged.chance
    low, high = (None, None) if known is None else known.between(judged.threshold)
    return {
        "phrase": judged.phrase,
        "moments": judged.moments,
        "per_day": judged.per_day,
        "threshold": None if known is None else judged.threshold,
        "low": low,
        "high": high,
        "curve": [] if known is None else [vars(point) for point in known.curve()],
    }
