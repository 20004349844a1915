"""The read-only HTTP door to what is stored: questions, interactions, and what happens now.

`stream api` starts it. Every path but `/health` and the description wants `Authorization: Bearer`
with the token. The engine is the one of `stream ask`.
"""

import asyncio
import hmac
import json
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime, BaseModel, Field

from dashboard.api_alerts import add_alerts
from storage.ask import Answer, AskError, OpenVerbs, answer, understand_stored
from storage.certainty import PER_DAY
from storage.chances import Judgement
from storage.database import ReadSession, Sessions
from storage.errors import StorageError
from storage.interactions import Interaction
from storage.names import cameras, verbs_seen
from storage.repository import find_interactions, get_interaction, latest

T = TypeVar("T")

_POLL_SECONDS, _BEAT_SECONDS = 1.0, 15.0  # of the live stream; a beat shows that it is alive
_NEWEST = 200  # changed interactions that one look can tell

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=10_000)]


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


class CertaintyOut(BaseModel):
    """Of a verb that nobody configured; without a threshold too little is stored to tell."""

    phrase: str
    moments: int
    per_day: float
    threshold: float | None
    low: float | None
    high: float | None


class AnswerOut(BaseModel):
    """Ask for the next page with `until` = `as_of`, and rows do not shift."""

    summary: str
    number: int | None = Field(description="for 'how many'")
    yes: bool | None = Field(description="for 'did anyone'")
    total: int
    complete: bool
    columns: list[str]
    rows: list[RowOut]
    understood: list[SpanOut]
    not_understood: list[str]
    absent: list[str] = Field(description="of these what is a thing, yet like nothing that is seen")
    certainty: list[CertaintyOut]
    as_of: datetime
    next_offset: int | None


class PageOut(BaseModel):
    interactions: list[dict[str, Any]]
    next_offset: int | None


def make_api(sessions: Sessions, token: str, open_verbs: OpenVerbs | None = None) -> FastAPI:
    """Without `open_verbs` only what was seen live is answered.

    Raises `StorageError` if the token is too short to keep anybody out.
    """
    if len(token) < 16:
        raise StorageError("the API's token has fewer than 16 characters: choose a longer one")
    api = FastAPI(title="hoi-stream", version="1", description="Who did what with what.")
    bearer = HTTPBearer(auto_error=False)

    def check(given: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> None:
        said = given.credentials if given is not None else ""
        if not hmac.compare_digest(said.encode(), token.encode()):
            raise HTTPException(401, "give the token", {"WWW-Authenticate": "Bearer"})

    @api.exception_handler(StorageError)
    def refuse(_request: Request, error: StorageError) -> JSONResponse:
        refused = isinstance(error, AskError)
        return JSONResponse({"detail": str(error)}, 422 if refused else 503)

    @api.get("/health")
    def health() -> dict[str, str]:
        _read(sessions, lambda session: latest(session, limit=1))
        return {"status": "ok"}

    _add_asking(api, sessions, Depends(check), open_verbs)
    _add_reading(api, sessions, Depends(check))
    add_alerts(api, sessions, Depends(check))
    return api


def _add_asking(
    api: FastAPI, sessions: Sessions, checked: Any, open_verbs: OpenVerbs | None
) -> None:
    @api.get("/ask", dependencies=[checked])
    def ask(
        q: Annotated[str, Query(description="the question, in English")],
        limit: Limit = 50,
        offset: Offset = 0,
        camera: str | None = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
        zone: Annotated[str, Query(description="in which 'today' is meant")] = "UTC",
        per_day: Annotated[
            float, Query(gt=0, description="false alarms of a verb that nobody configured")
        ] = PER_DAY,
    ) -> AnswerOut:
        now = datetime.now(UTC)
        place = _zone(zone)
        last = min(now, until) if until is not None else now
        known = None if open_verbs is None else replace(open_verbs, per_day=per_day)

        def read(session: ReadSession) -> Answer:
            asked = understand_stored(session, q, now=now, zone=place, open_verbs=known)
            return answer(
                session,
                asked,
                since=since,
                until=last,
                camera=camera,
                limit=limit,
                offset=offset,
                open_verbs=known,
            )

        return _answer_out(_read(sessions, read), last, offset)


def _add_reading(api: FastAPI, sessions: Sessions, checked: Any) -> None:

    @api.get("/interactions", dependencies=[checked])
    def interactions(
        limit: Limit = 50,
        offset: Offset = 0,
        camera: str | None = None,
        verb: Annotated[list[str] | None, Query()] = None,
        since: AwareDatetime | None = None,
        until: AwareDatetime | None = None,
    ) -> PageOut:
        found = _read(
            sessions,
            lambda session: find_interactions(
                session,
                limit=limit + 1,
                offset=offset,
                camera=camera,
                verbs=verb,
                since=since,
                until=until,
            ),
        )
        more = offset + limit if len(found) > limit else None
        return PageOut(interactions=[_out(one) for one in found[:limit]], next_offset=more)

    @api.get("/interactions/{id}", dependencies=[checked])
    def interaction(id: UUID) -> dict[str, Any]:
        found = _read(sessions, lambda session: get_interaction(session, id=id))
        if found is None:
            raise HTTPException(404, "no such interaction")
        return _out(found)

    @api.get("/names", dependencies=[checked])
    def names() -> dict[str, list[str]]:
        """Verbs and cameras of what is stored."""
        return _read(sessions, lambda s: {"verbs": verbs_seen(s), "cameras": cameras(s)})

    @api.get("/live", dependencies=[checked])
    def live(seconds: Annotated[float, Query(gt=0, le=86_400)] = 3600) -> StreamingResponse:
        """Interactions as they begin, go on and end, as server-sent events, for so long."""
        return StreamingResponse(_live(sessions, seconds), media_type="text/event-stream")


async def _live(sessions: Sessions, seconds: float) -> AsyncIterator[str]:
    """What changed since it was asked for, up to `_NEWEST` a second; an id comes again when its
    phase or end changes."""
    told = {one.id: _state(one) for one in await run_in_threadpool(_read, sessions, _changed)}
    yield ": live\n\n"
    end = beat = time.monotonic()
    end += seconds
    while time.monotonic() < end:
        for one in reversed(await run_in_threadpool(_read, sessions, _changed)):
            if told.get(one.id) != _state(one):
                told[one.id] = _state(one)
                beat = time.monotonic()
                yield f"event: interaction\nid: {one.id}\ndata: {json.dumps(_out(one))}\n\n"
        told = dict(list(told.items())[-2 * _NEWEST :])
        if time.monotonic() - beat > _BEAT_SECONDS:
            beat = time.monotonic()
            yield ": beat\n\n"
        await asyncio.sleep(min(_POLL_SECONDS, max(0.0, end - time.monotonic())))


def _changed(session: ReadSession) -> list[Interaction]:
    return list(latest(session, limit=_NEWEST))


def _state(one: Interaction) -> tuple[str, datetime]:
    return one.phase, one.ended_at


def _answer_out(found: Answer, as_of: datetime, offset: int) -> AnswerOut:
    shown = offset + len(found.rows)
    rows = [
        RowOut(
            interaction=_out(row.interaction),
            evidence=[_out(one) for one in row.evidence],
            cells=list(row.cells),
            by_chance=row.by_chance,
            asked=row.asked,
        )
        for row in found.rows
    ]
    return AnswerOut(
        summary=found.summary,
        number=found.number,
        yes=found.yes,
        total=found.total,
        complete=found.complete,
        columns=list(found.columns),
        rows=rows,
        understood=[SpanOut(**vars(span)) for span in found.understood],
        not_understood=list(found.not_understood),
        absent=list(found.absent),
        certainty=[_certainty_out(judgement) for judgement in found.certainty],
        as_of=as_of,
        next_offset=shown if found.rows and shown < found.total else None,
    )


def _certainty_out(judged: Judgement) -> CertaintyOut:
    known = judged.chance
    low, high = (None, None) if known is None else known.between(judged.threshold)
    return CertaintyOut(
        phrase=judged.phrase,
        moments=judged.moments,
        per_day=judged.per_day,
        threshold=None if known is None else judged.threshold,
        low=low,
        high=high,
    )


def _out(one: Interaction) -> dict[str, Any]:
    """Without the vector: what it is for stays here."""
    row = one.to_dict(with_vector=False)
    del row["vector"]
    return row


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HTTPException(422, f"there is no time zone {name!r}") from error


def _read(sessions: Sessions, query: Callable[[ReadSession], T]) -> T:
    with sessions() as session:
        return query(session)
