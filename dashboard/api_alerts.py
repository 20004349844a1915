"""Standing questions, their alerts and the delivery log over HTTP; read-only as all of it."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import FastAPI, Query
from pydantic import BaseModel, Field

from storage.alert_rows import Alert, recent_alerts
from storage.database import Sessions
from storage.delivery_rows import Attempt, delivery_log
from storage.standing import Standing
from storage.standing_rows import all_standing

Limit = Annotated[int, Query(ge=1, le=500)]
Offset = Annotated[int, Query(ge=0, le=10_000)]


class StandingOut(BaseModel):
    """A saved question; channels are as they were saved, with secrets by name."""

    id: UUID
    name: str
    text: str
    understood: list[str]
    active: bool
    trouble: str | None = Field(description="why the newest run does not see what it asks for")
    cameras: list[str]
    min_score: float
    cooldown_seconds: float
    cooldown_per_camera: bool
    quiet_hours: str
    zone: str
    when_over: bool
    channels: list[str]


class AlertOut(BaseModel):
    """`body` is what channels are told."""

    id: UUID
    standing: str
    at: datetime
    held_back: str | None
    test: bool
    body: dict[str, Any]


class AttemptOut(BaseModel):
    """One try; `state` is that of its delivery: waiting, delivered or failed."""

    alert: UUID
    standing: str
    channel: str
    at: datetime
    outcome: str
    seconds: float
    state: str
    next_at: datetime | None


def add_alerts(api: FastAPI, sessions: Sessions, checked: Any) -> None:
    @api.get("/standing", dependencies=[checked])
    def standing() -> list[StandingOut]:
        with sessions() as session:
            return [_standing_out(one) for one in all_standing(session)]

    @api.get("/alerts", dependencies=[checked])
    def alerts(
        standing: str | None = None, limit: Limit = 50, offset: Offset = 0
    ) -> list[AlertOut]:
        """Newest first, those that were held back among them."""
        with sessions() as session:
            found = recent_alerts(session, standing=standing, limit=limit, offset=offset)
        return [_alert_out(one) for one in found]

    @api.get("/deliveries", dependencies=[checked])
    def deliveries(
        standing: str | None = None, limit: Limit = 50, offset: Offset = 0
    ) -> list[AttemptOut]:
        """The log: one try each, newest first."""
        with sessions() as session:
            found = delivery_log(session, standing=standing, limit=limit, offset=offset)
        return [_attempt_out(one) for one in found]


def _standing_out(one: Standing) -> StandingOut:
    return StandingOut(
        id=one.id,
        name=one.name,
        text=one.question.text,
        understood=[str(span) for span in one.question.understood],
        active=one.active,
        trouble=one.trouble,
        cameras=list(one.cameras),
        min_score=one.min_score,
        cooldown_seconds=one.cooldown.total_seconds(),
        cooldown_per_camera=one.per_camera,
        quiet_hours=str(one.quiet),
        zone=one.quiet.zone,
        when_over=one.at_end,
        channels=[channel.url for channel in one.channels],
    )


def _alert_out(one: Alert) -> AlertOut:
    return AlertOut(
        id=one.id,
        standing=one.standing,
        at=one.at,
        held_back=one.held,
        test=one.test,
        body=one.body,
    )


def _attempt_out(one: Attempt) -> AttemptOut:
    return AttemptOut(
        alert=one.alert,
        standing=one.standing,
        channel=one.channel.url,
        at=one.at,
        outcome=one.outcome,
        seconds=one.seconds,
        state=one.state,
        next_at=one.next_at,
    )
