"""The read-only HTTP door to what is stored: questions, interactions, and what happens now.

`stream api` starts it. Every path but `/health` and the description wants `Authorization: Bearer`
with the token. The engine is the one of `stream ask`.
"""

import hmac
import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from fastapi import Depends, FastAPI, HTTPException, Query, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import AwareDatetime

from dashboard.api_alerts import add_alerts
from dashboard.api_answers import AnswerOut, PageOut
from dashboard.api_live import add_live
from dashboard.api_media import add_media
from storage.answer_json import answer_to_dict, interaction_to_dict
from storage.ask import LESS_SURE, Answer, AskError, OpenVerbs, answer, understand_stored
from storage.certainty import PER_DAY
from storage.database import ReadSession, Sessions
from storage.errors import StorageError
from storage.names import cameras, verbs_seen
from storage.repository import find_interactions, get_interaction, latest

logger = logging.getLogger(__name__)
T = TypeVar("T")

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=10_000)]


def make_api(
    sessions: Sessions,
    token: str,
    open_verbs: OpenVerbs | None = None,
    media: Path | None = None,
) -> FastAPI:
    """Without `open_verbs` only what was seen live is answered, without `media` nothing is shown.

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
        try:
            _read(sessions, lambda session: latest(session, limit=1))
        except StorageError as error:  # which names the database; whoever asks here may be anybody
            logger.warning("%s", error)
            raise HTTPException(503, "the database is away") from error
        return {"status": "ok"}

    _add_asking(api, sessions, Depends(check), open_verbs)
    _add_reading(api, sessions, Depends(check))
    add_media(api, sessions, Depends(check), media)
    add_live(api, sessions, Depends(check))
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
                less_sure=LESS_SURE,
            )

        told = answer_to_dict(_read(sessions, read), as_of=last, offset=offset)
        return AnswerOut.model_validate(told)


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
        return PageOut(
            interactions=[interaction_to_dict(one) for one in found[:limit]], next_offset=more
        )

    @api.get("/interactions/{id}", dependencies=[checked])
    def interaction(id: UUID) -> dict[str, Any]:
        found = _read(sessions, lambda session: get_interaction(session, id=id))
        if found is None:
            raise HTTPException(404, "no such interaction")
        return interaction_to_dict(found)

    @api.get("/names", dependencies=[checked])
    def names() -> dict[str, list[str]]:
        """Verbs and cameras of what is stored."""
        return _read(sessions, lambda s: {"verbs": verbs_seen(s), "cameras": cameras(s)})


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise HTTPException(422, f"there is no time zone {name!r}") from error


def _read(sessions: Sessions, query: Callable[[ReadSession], T]) -> T:
    with sessions() as session:
        return query(session)
