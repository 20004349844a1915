"""What the page Alerts reads and writes: standing questions, and how they were told of."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime

import pandas as pd
import streamlit as st

from dashboard.reads import open_sessions
from storage.alert_rows import recent_alerts
from storage.alerts import add_test
from storage.channels import Channel
from storage.database import Sessions
from storage.delivery_rows import delivery_log, untried
from storage.errors import StorageError
from storage.quiet import QuietHours
from storage.standing import Standing, parse_cooldown, understand_standing
from storage.standing_rows import (
    all_standing,
    get_standing,
    remove_standing,
    save_standing,
    set_active,
)

SHOWN = 100  # alerts and tries


@dataclass(frozen=True)
class Draft:
    """What the form holds, as it was typed."""

    name: str
    question: str
    channels: str  # one a line
    secret: str
    cameras: tuple[str, ...]
    min_score: float
    cooldown: str
    quiet: str
    zone: str
    at_end: bool


def standing(url: str) -> list[Standing]:
    with _sessions(url)() as session:
        return all_standing(session)


def alerts(url: str) -> pd.DataFrame:
    """Newest first; `told` says why nobody was."""
    with _sessions(url)() as session:
        found = recent_alerts(session, limit=SHOWN)
    rows = [
        (one.at, one.standing, one.body["answer"], "test" if one.test else one.held or "told")
        for one in found
    ]
    return pd.DataFrame(rows, columns=["time", "question", "answer", "told"])


def tries(url: str) -> pd.DataFrame:
    """The delivery log, newest first, before it what was not tried yet."""
    with _sessions(url)() as session:
        found = [*untried(session, limit=SHOWN), *delivery_log(session, limit=SHOWN)]
    rows = [
        (one.at, one.standing, one.channel.kind, one.state, one.outcome, one.next_at)
        for one in found
    ]
    columns = ["time", "question", "channel", "state", "outcome", "next try"]
    return pd.DataFrame(rows, columns=columns)


def save(
    url: str, draft: Draft, *, verbs: Collection[str] = (), objects: Collection[str] = ()
) -> Standing:
    """`verbs`, `objects`: names beside those that were seen. Raises `StorageError` with a line for
    the user."""
    secret = draft.secret.strip() or None
    channels = tuple(
        Channel.make(line.strip(), secret if line.strip().startswith("http") else None)
        for line in draft.channels.splitlines()
        if line.strip()
    )
    cooldown, per_camera = parse_cooldown(draft.cooldown)
    quiet = QuietHours.parse(draft.quiet, draft.zone)
    with _sessions(url).begin() as session:
        now = datetime.now(UTC)
        asked = understand_standing(session, draft.question, now=now, verbs=verbs, objects=objects)
        wanted = Standing(
            draft.name.strip(),
            asked,
            channels,
            draft.cameras,
            at_end=draft.at_end,
            min_score=draft.min_score,
            cooldown=cooldown,
            per_camera=per_camera,
            quiet=quiet,
        )
        return save_standing(session, wanted)


def pause(url: str, name: str, *, active: bool) -> None:
    with _sessions(url).begin() as session:
        set_active(session, name, active=active)


def remove(url: str, name: str) -> None:
    with _sessions(url).begin() as session:
        remove_standing(session, name)


def test(url: str, name: str) -> None:
    """A run, or `stream alerts run`, sends it."""
    with _sessions(url).begin() as session:
        add_test(session, get_standing(session, name), now=datetime.now(UTC))


def _sessions(url: str) -> Sessions:
    try:
        return open_sessions(url)
    except StorageError:
        st.cache_resource.clear()  # a database that was away may be back at the next look
        raise
