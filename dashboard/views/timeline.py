"""Timeline: what every person did, as bars in time; moments are points."""

from datetime import UTC, datetime

import altair as alt
import pandas as pd
import streamlit as st

from dashboard import reads
from dashboard.views.ask import PERIODS
from storage.errors import StorageError

_ROW_HEIGHT, _LEAST_HEIGHT = 34, 160  # pixels


def render(url: str) -> None:
    st.title("Timeline")
    try:
        table = _filtered(url)
    except StorageError as error:
        st.error(str(error))
        return
    if table.empty:
        st.info("Nothing here. Watch something first: `stream run --source VIDEO`")
        return
    if len(table) == reads.MOST_ROWS:
        st.caption(
            f"The newest {reads.MOST_ROWS} interactions; choose a shorter time for the rest."
        )
    st.altair_chart(chart(table), key="chart", width="stretch")


def _filtered(url: str) -> pd.DataFrame:
    place, what, period = st.columns([1, 3, 1])
    names = reads.camera_names(url)
    camera = place.selectbox("Camera", ["every camera", *names], key="timeline camera")
    known = reads.verb_counts(url)["verb"].tolist()
    verbs = what.multiselect("Verbs", known, key="timeline verbs", placeholder="every verb")
    span = PERIODS[period.selectbox("When", list(PERIODS), key="timeline period")]
    since = None if span is None else datetime.now(UTC).replace(second=0, microsecond=0) - span
    return reads.interactions(
        url, camera=camera if camera in names else None, verbs=tuple(verbs), since=since
    )


def chart(table: pd.DataFrame) -> alt.VConcatChart:
    """One panel a camera, one row a person, colour by verb."""
    domain = sorted(table["did"].unique())
    colour = alt.Color("did:N", title=None, scale=alt.Scale(domain=domain, scheme="tableau20"))
    tooltip = ["who", "did", "what", alt.Tooltip("began:T", format="%H:%M:%S"), "score"]
    when = alt.X("began:T", title=None)
    panels = []
    for camera, rows in table.groupby("camera", sort=True):
        who = alt.Y("who:N", title=None)
        lasting, moments = rows[~rows["moment"]], rows[rows["moment"]]
        bars = (
            alt.Chart(lasting)
            .mark_bar(height={"band": 0.7}, opacity=0.75)
            .encode(x=when, x2="ended:T", y=who, yOffset="did:N", color=colour, tooltip=tooltip)
        )
        points = (
            alt.Chart(moments)
            .mark_point(filled=True, size=110, shape="diamond", stroke="white")
            .encode(x=when, y=who, color=colour, tooltip=tooltip)
        )
        height = max(_LEAST_HEIGHT, _ROW_HEIGHT * rows["who"].nunique())
        panel = alt.layer(bars, points).properties(
            title=str(camera), height=height, width="container"
        )
        panels.append(panel.interactive(bind_y=False))
    return alt.vconcat(*panels)
