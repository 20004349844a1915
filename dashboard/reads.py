"""Everything the pages read, as DataFrames; with alerts.py the only file that queries storage."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pandas as pd
import streamlit as st

from dashboard.corrections import Correction
from storage.ask import LESS_SURE, OpenVerbs, Row, answer, person_label, understand_stored
from storage.certainty import PER_DAY
from storage.chances import Judgement
from storage.database import ReadSession, Sessions, make_engine, make_sessions, upgrade
from storage.errors import StorageError
from storage.interactions import Box, Interaction
from storage.names import cameras, object_classes_seen, verbs_seen
from storage.repository import count_by_verb, find_interactions

T = TypeVar("T")

ROWS = 50  # of an answer, on a page
MOST_ROWS = 500  # on a timeline; more bars cannot be told apart
COLUMNS = ("id", "camera", "who", "did", "what", "began", "ended", "score", "open", "moment")


@dataclass(frozen=True)
class Picture:
    """The best moment of an interaction and where its two boxes are in it."""

    path: Path
    caption: str
    human_box: Box
    object_box: Box
    clip: Path | None = None  # a video around it
    clip_peak: float = 0.0  # seconds into the clip


@dataclass(frozen=True)
class Certainty:
    """How often a verb that nobody configured is told by chance."""

    told: str
    curve: pd.DataFrame | None  # threshold, per day, low, high; None: too little is stored
    threshold: float


@dataclass(frozen=True)
class Reply:
    """An answer as the page shows it."""

    table: pd.DataFrame
    summary: str
    total: int
    understood: tuple[str, ...]
    missing: str  # what was not looked at, in a line
    pictures: tuple[Picture, ...]
    meant: Correction  # what was asked for, as the fields to correct it show it
    answerable: bool
    certainty: tuple[Certainty, ...]
    less_sure: pd.DataFrame  # columns of the table


@st.cache_resource
def open_sessions(url: str) -> Sessions:
    """One engine for all visitors."""
    engine = make_engine(url)
    upgrade(engine, before=_refuse)
    return make_sessions(engine)


def _refuse(revision: str) -> None:
    raise StorageError(f"the database has schema {revision}: run `stream db upgrade` first")


@st.cache_data(ttl=10, show_spinner=False)
def ask(
    url: str,
    media: str,
    question: str,
    since: datetime | None,
    camera: str | None,
    now: datetime,
    correction: Correction | None = None,
    page: int = 1,
    per_day: float = PER_DAY,
    _open_verbs: OpenVerbs | None = None,
) -> Reply:
    """`ROWS` of it, pages counted from one; raises `StorageError` with a line for the user."""
    known = None if _open_verbs is None else replace(_open_verbs, per_day=per_day)

    def read(session: ReadSession) -> Reply:
        asked = understand_stored(
            session, question, now=now, zone=now.tzinfo or UTC, open_verbs=known
        )
        if correction is not None:
            asked = correction.applied(asked)
        found = answer(
            session,
            asked,
            since=since,
            camera=camera,
            limit=ROWS,
            offset=(page - 1) * ROWS,
            open_verbs=known,
            less_sure=LESS_SURE,
        )
        return Reply(
            _table(found.rows, found.columns),
            found.summary,
            found.total,
            tuple(map(str, found.understood)),
            found.missing,
            tuple(_pictures([row.interaction for row in found.rows], Path(media))),
            Correction.of(asked),
            found.answerable,
            tuple(_certainty(judgement) for judgement in found.certainty),
            _table(found.less_sure, found.columns),
        )

    return _read(url, read)


def _table(rows: Sequence[Row], columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame([row.cells for row in rows], columns=list(columns))


@st.cache_data(ttl=5, show_spinner=False)
def camera_names(url: str) -> list[str]:
    return _read(url, lambda session: list(cameras(session)))


@st.cache_data(ttl=5, show_spinner=False)
def verb_counts(url: str, since: datetime | None = None) -> pd.DataFrame:
    """Columns verb and count, most frequent first; counts end at `MOST_COUNTED`."""
    counts = _read(url, lambda session: count_by_verb(session, since=since))
    return pd.DataFrame(list(counts.items()), columns=["verb", "count"])


@st.cache_data(ttl=5, show_spinner=False)
def verb_names(url: str) -> list[str]:
    return _read(url, lambda session: list(verbs_seen(session)))


@st.cache_data(ttl=5, show_spinner=False)
def object_names(url: str) -> list[str]:
    return _read(url, lambda session: list(object_classes_seen(session)))


@st.cache_data(ttl=5, show_spinner=False)
def interactions(
    url: str,
    *,
    camera: str | None = None,
    verbs: tuple[str, ...] = (),
    since: datetime | None = None,
    limit: int = MOST_ROWS,
) -> pd.DataFrame:
    """The newest interactions, one a row, with `COLUMNS`."""

    def read(session: ReadSession) -> Sequence[Interaction]:
        return find_interactions(
            session, limit=limit, camera=camera, verbs=list(verbs) or None, since=since
        )

    return pd.DataFrame([_row(one) for one in _read(url, read)], columns=list(COLUMNS))


def _read(url: str, query: Callable[[ReadSession], T]) -> T:
    try:
        with open_sessions(url)() as session:
            return query(session)
    except StorageError:
        st.cache_resource.clear()  # a database that was away may be back at the next look
        raise


def _certainty(judged: Judgement) -> Certainty:
    chance = judged.chance
    points = None if chance is None else [vars(point) for point in chance.curve()]
    curve = None if points is None else pd.DataFrame(points)
    return Certainty(str(judged), curve, judged.threshold)


def _row(one: Interaction) -> tuple[object, ...]:
    return (
        str(one.id),
        one.camera,
        person_label(one.human_track),
        one.verb,
        one.object_class,
        one.started_at,
        one.ended_at,
        round(one.peak_score, 2),
        one.phase != "end",
        one.kind == "moment",
    )


def _pictures(found: Sequence[Interaction], media: Path) -> list[Picture]:
    pictures = []
    for one in found:
        if one.snapshot is None or not (media / one.snapshot).is_file():
            continue
        when = one.started_at.strftime("%H:%M:%S")
        caption = f"{when} {person_label(one.human_track)} {one.verb} {one.object_class}"
        clip = media / one.clip if one.clip is not None else None
        pictures.append(
            Picture(
                path=media / one.snapshot,
                caption=caption,
                human_box=one.human_box,
                object_box=one.object_box,
                clip=clip if clip is not None and clip.is_file() else None,
                clip_peak=one.clip_peak or 0.0,
            )
        )
    return pictures
