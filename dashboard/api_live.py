"""What happens now, over HTTP: server-sent events of interactions that begin, go on and end."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import FastAPI, Header, Query
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from pydantic import AwareDatetime

from storage.answer_json import interaction_to_dict
from storage.database import Sessions
from storage.interactions import Interaction
from storage.repository import latest

_POLL_SECONDS, _BEAT_SECONDS = 1.0, 15.0  # a beat shows that it is alive
_NEWEST = 200  # changed interactions that one look can tell
_MISSED = 2_000  # ... that the first look of a client that was away can tell
_LATE = timedelta(seconds=60)  # by which another camera's events may come after their time


def add_live(api: FastAPI, sessions: Sessions, checked: Any) -> None:
    @api.get("/live", dependencies=[checked])
    def live(
        seconds: Annotated[float, Query(gt=0, le=86_400)] = 3600,
        last_event_id: Annotated[AwareDatetime | None, Header()] = None,
    ) -> StreamingResponse:
        """Interactions as they begin, go on and end, as server-sent events, for so long.

        Who gives the `Last-Event-ID`, as browsers do that were away, is told what happened since;
        of the last minute before it some comes again.
        """
        stream = _live(sessions, seconds, last_event_id)
        return StreamingResponse(stream, media_type="text/event-stream")


async def _live(sessions: Sessions, seconds: float, since: datetime | None) -> AsyncIterator[str]:
    """What changed since it was asked for, or since then, up to `_NEWEST` a second; an interaction
    comes again when its phase or end changes."""
    first = await _changed(sessions, _NEWEST if since is None else _MISSED)
    known = (one for one in first if since is None or one.ended_at < since - _LATE)
    told = {one.id: _state(one) for one in known}
    yield ": live\n\n"
    beat = time.monotonic()
    end, some = beat + seconds, first
    while time.monotonic() < end:
        for one in reversed(some):
            if told.get(one.id) != _state(one):
                told[one.id] = _state(one)
                beat = time.monotonic()
                yield _event(one)
        told = dict(list(told.items())[-2 * _MISSED :])
        if time.monotonic() - beat > _BEAT_SECONDS:
            beat = time.monotonic()
            yield ": beat\n\n"
        await asyncio.sleep(min(_POLL_SECONDS, max(0.0, end - time.monotonic())))
        some = await _changed(sessions, _NEWEST)


def _event(one: Interaction) -> str:
    data = json.dumps(interaction_to_dict(one))
    return f"event: interaction\nid: {one.ended_at.isoformat()}\ndata: {data}\n\n"


async def _changed(sessions: Sessions, limit: int) -> list[Interaction]:
    """The newest first."""

    def read() -> list[Interaction]:
        with sessions() as session:
            return list(latest(session, limit=limit))

    return await run_in_threadpool(read)


def _state(one: Interaction) -> tuple[str, datetime]:
    return one.phase, one.ended_at
