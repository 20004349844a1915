"""Timeline: what every person did, as bars in time; moments are points."""

from collections.abc import Sequence
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
    verbs = sorted(table["did"].unique())
    for camera, rows in table.groupby("camera", sort=True):
        st.subheader(str(camera))
        st.altair_chart(chart(rows, verbs), key=f"chart {camera}", width="stretch")


def _filtered(url: str) -> pd.DataFrame:
    place, what, period = st.columns([1, 3, 1])
    names = reads.camera_names(url)
    camera = place.selectbox("Camera", ["every camera", *names], key="timeline camera")
    known = reads.verb_names(url)
    verbs = what.multiselect("Verbs", known, key="timeline verbs", placeholder="every verb")
    span = PERIODS[period.selectbox("When", list(PERIODS), key="timeline period")]
    since = None if span is None else datetime.now(UTC).replace(second=0, microsecond=0) - span
    return reads.interactions(
        url, camera=camera if camera in names else None, verbs=tuple(verbs), since=since
    )


def chart(rows: pd.DataFrame, verbs: Sequence[str]) -> alt.LayerChart | alt.FacetChart:
    """One camera: a row a person, a colour a verb (the same on every chart)."""
    scale = alt.Scale(domain=list(verbs), scheme="tableau20")
    legend = alt.Legend(orient="bottom", columns=8)
    colour = alt.Color("did:N", title=None, scale=scale, legend=legend)
    tooltip = ["who", "did", "what", alt.Tooltip("began:T", format="%H:%M:%S"), "score"]
    when = alt.X("began:T", title=None, axis=alt.Axis(format="%H:%M:%S"))
    who = alt.Y("who:N", title=None)
    bars = (
        alt.Chart(rows[~rows["moment"]])
        .mark_bar(height={"band": 0.7}, opacity=0.75)
        .encode(x=when, x2="ended:T", y=who, yOffset="did:N", color=colour, tooltip=tooltip)
    )
    points = (
        alt.Chart(rows[rows["moment"]])
        .mark_point(filled=True, size=120, shape="diamond", stroke="black", strokeWidth=0.5)
        .encode(x=when, y=who, color=colour, tooltip=tooltip)
    )
    height = max(_LEAST_HEIGHT, _ROW_HEIGHT * rows["who"].nunique())
    return alt.layer(bars, points).properties(height=height).interactive(bind_y=False)
