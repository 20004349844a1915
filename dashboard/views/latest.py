"""Latest: what was seen last, refreshed by itself, and how often each verb was seen."""

import altair as alt
import streamlit as st

from dashboard import reads
from storage.errors import StorageError
from storage.repository import MOST_COUNTED

_REFRESH_SECONDS = 5
_SHOWN = 50


def render(url: str) -> None:
    st.title("Latest")
    _refreshed(url)


@st.fragment(run_every=_REFRESH_SECONDS)
def _refreshed(url: str) -> None:
    try:
        table = reads.interactions(url, limit=_SHOWN)
        counts = reads.verb_counts(url)
    except StorageError as error:
        st.error(str(error))
        return
    if table.empty:
        st.info("Nothing has been seen yet. Watch something first: `stream run --source VIDEO`")
        return
    newest, totals = st.columns([3, 1])
    shown = table.drop(columns=["id", "moment"])
    shown["open"] = ["going on" if going else "" for going in shown["open"]]
    newest.dataframe(
        shown.rename(columns={"open": "state"}),
        key="latest",
        hide_index=True,
        width="stretch",
        column_config={
            "began": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss"),
            "ended": st.column_config.DatetimeColumn(format="HH:mm:ss"),
            "score": st.column_config.ProgressColumn(min_value=0, max_value=1, format="%.2f"),
        },
    )
    bars = (
        alt.Chart(counts)
        .mark_bar()
        .encode(x=alt.X("count:Q", title=None), y=alt.Y("verb:N", sort="-x", title=None))
    )
    more = "more than " if (counts["count"] >= MOST_COUNTED).any() else ""
    totals.metric("interactions", f"{more}{int(counts['count'].sum()):,}")
    totals.altair_chart(bars, key="counts", width="stretch")
