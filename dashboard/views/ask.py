"""Ask: a question in words, its answer as a table, and the pictures that prove it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import altair as alt
import pandas as pd
import streamlit as st
from PIL import Image, ImageDraw

from dashboard import reads
from dashboard.views.correct import correct
from storage.ask import OpenVerbs
from storage.certainty import PER_DAY
from storage.errors import StorageError
from storage.repository import MOST_COUNTED
from storage.zones import local_zone

EXAMPLES = ("who picked up what", "who put down what", "who held a cup", "did anyone kick a ball")
PERIODS = {
    "all time": None,
    "last 10 minutes": timedelta(minutes=10),
    "last hour": timedelta(hours=1),
    "last day": timedelta(days=1),
    "last week": timedelta(days=7),
}
_PERSON_COLOUR, _THING_COLOUR = (220, 60, 50), (40, 150, 90)
PER_DAY_CHOICES = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
_MOST_PICTURES, _PER_ROW = 12, 4


def render(url: str, media: str, known: OpenVerbs | None = None) -> None:
    st.title("Who did what with what?")
    question, since, camera = _form(url)
    if not question.strip():
        _welcome(url)
        return
    try:
        now = datetime.now(local_zone()).replace(microsecond=0)
        per_day = float(st.session_state.get("per_day", PER_DAY))
        page = int(st.session_state.get(_page_key(question), 1))
        asked = partial(reads.ask, url, media, question, since, camera, now, page=page)
        reply = asked(per_day=per_day, _open_verbs=known)
        meant = reply.meant
        correction = correct(url, question, meant)
        if correction != meant:
            reply = asked(correction, per_day=per_day, _open_verbs=known)
    except StorageError as error:
        st.error(str(error))
        return
    show_certainty(reply.certainty)
    _show(reply, corrected=correction != meant)
    _turn_pages(question, reply)


def show_certainty(certainty: Sequence[reads.Certainty]) -> None:
    """How many false alarms a day are put up with, and what a threshold costs."""
    if not certainty:
        return
    st.session_state.setdefault("per_day", PER_DAY)
    st.select_slider("False alarms a day", PER_DAY_CHOICES, key="per_day")
    for known in certainty:
        st.caption(known.told)
        if known.curve is not None:
            st.altair_chart(_curve(known.curve, known.threshold))


def _curve(curve: pd.DataFrame, threshold: float) -> alt.LayerChart | alt.FacetChart:
    base = alt.Chart(curve).encode(alt.X("threshold", title="Score"))
    scale = alt.Scale(type="symlog", constant=0.01)
    band = base.mark_area(opacity=0.25).encode(
        alt.Y("low", scale=scale, title="False alarms a day"), alt.Y2("high")
    )
    line = base.mark_line().encode(alt.Y("per_day", scale=scale))
    chosen = alt.Chart(pd.DataFrame({"threshold": [threshold]})).mark_rule(strokeDash=[4, 4])
    return alt.layer(band, line, chosen.encode(alt.X("threshold"))).properties(height=180)


def _form(url: str) -> tuple[str, datetime | None, str | None]:
    st.session_state.setdefault("question", st.query_params.get("q", ""))
    for column, example in zip(st.columns(len(EXAMPLES)), EXAMPLES, strict=True):
        key = f"example {example}"
        column.button(example, key=key, on_click=_take, args=(example,), width="stretch")
    text, period, place = st.columns([4, 1, 1])
    question = text.text_input(
        "Question", key="question", placeholder="who picked up what", max_chars=500
    )
    span = PERIODS[period.selectbox("When", list(PERIODS), key="period")]
    names = _camera_names(url)
    camera = place.selectbox("Camera", ["every camera", *names], key="camera")
    if question:
        st.query_params["q"] = question
    since = None if span is None else datetime.now(UTC).replace(second=0, microsecond=0) - span
    return question, since, camera if camera in names else None


def _take(example: str) -> None:
    st.session_state["question"] = example


def _camera_names(url: str) -> list[str]:
    try:
        return reads.camera_names(url)
    except StorageError:
        return []  # the question itself will say what is wrong


def _welcome(url: str) -> None:
    try:
        empty = not reads.verb_names(url)
    except StorageError as error:
        st.error(str(error))
        return
    if empty:
        st.info("Nothing has been seen yet. Watch something first: `stream run --source VIDEO`")
    else:
        st.caption("Ask in plain words; who, what, when and where become columns.")


def _show(reply: reads.Reply, *, corrected: bool) -> None:
    if reply.understood:
        said = "Understood, before it was corrected: " if corrected else "Understood: "
        st.caption(said + " · ".join(reply.understood))
    if reply.missing:
        st.warning(reply.missing[:1].upper() + reply.missing[1:])
    if not reply.answerable:
        return
    if reply.table.empty:
        st.info(reply.summary[:1].upper() + reply.summary[1:])
    else:
        _show_found(reply)
    if not reply.less_sure.empty:
        st.subheader("Less sure")
        st.caption("Not told when it happened, or of a thing of another colour.")
        st.dataframe(reply.less_sure, key="less sure", hide_index=True, width="stretch")


def _show_found(reply: reads.Reply) -> None:
    st.subheader(reply.summary)
    st.dataframe(reply.table, key="answer", hide_index=True, width="stretch")
    shown = reply.pictures[:_MOST_PICTURES]
    moving = any(one.clip for one in shown) and st.toggle("Clips", key="clips")
    for start in range(0, len(shown), _PER_ROW):
        columns = st.columns(_PER_ROW)
        for column, picture in zip(columns, shown[start : start + _PER_ROW], strict=False):
            if moving and picture.clip is not None:
                column.video(str(picture.clip), start_time=max(0.0, picture.clip_peak - 2))
                column.caption(picture.caption)
            else:
                column.image(draw_boxes(picture), caption=picture.caption, width="stretch")


def _turn_pages(question: str, reply: reads.Reply) -> None:
    """Below the rows of one page; the key forgets the page when another question is asked."""
    pages = -(-min(reply.total, MOST_COUNTED) // reads.ROWS)
    key = _page_key(question)
    if pages > 1 or key in st.session_state:
        st.number_input(f"Page, of {max(pages, 1)}", 1, step=1, key=key)


def _page_key(question: str) -> str:
    return f"page {question}"


def draw_boxes(picture: reads.Picture) -> Image.Image:
    """The picture with the person's and the thing's box."""
    with Image.open(picture.path) as file:
        image = file.convert("RGB")
    pen = ImageDraw.Draw(image)
    width = max(2, image.width // 200)
    for box, colour in (
        (picture.human_box, _PERSON_COLOUR),
        (picture.object_box, _THING_COLOUR),
    ):
        pen.rectangle(box, outline=colour, width=width)
    return image
