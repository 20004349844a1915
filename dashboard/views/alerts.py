"""Alerts: questions that stand, a form for another one, what was found and how it was told."""

from collections.abc import Callable, Collection
from functools import partial

import streamlit as st

from dashboard import alerts, reads
from storage.errors import StorageError
from storage.standing import Standing, shown_cooldown

_REFRESH_SECONDS = 5
_DONE = {"Test": "the test waits for a run, or `stream alerts run`, to send it"}
_TIME = st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm:ss")


def render(url: str, verbs: Collection[str] = (), objects: Collection[str] = ()) -> None:
    """`verbs`, `objects`: of a bundle that may have seen nothing yet."""
    st.title("Alerts")
    try:
        found = alerts.standing(url)
        names = reads.camera_names(url)
    except StorageError as error:
        st.error(str(error))
        return
    if not found:
        st.info(
            "Nothing is watched for yet. Ask a question below, and you are told when it happens."
        )
    for one in found:
        _card(url, one)
    draft = _form(names, opened=not found)
    if draft is not None:
        _do(partial(alerts.save, url, draft, verbs=verbs, objects=objects), f"{draft.name}: saved")
    _logs(url)


def _card(url: str, one: Standing) -> None:
    with st.container(border=True):
        words, *buttons = st.columns([6, 1, 1, 1], vertical_alignment="center")
        state = "" if one.active else " :gray-badge[paused]"
        words.markdown(f"**{one.name}**{state}")
        words.text(one.question.text)
        words.caption(" · ".join(_facts(one)))
        if one.trouble is not None:
            words.warning(one.trouble)
        turn = "Pause" if one.active else "Resume"
        actions: dict[str, Callable[[], None]] = {
            turn: lambda: alerts.pause(url, one.name, active=not one.active),
            "Test": lambda: alerts.test(url, one.name),
            "Remove": lambda: alerts.remove(url, one.name),
        }
        for column, (label, action) in zip(buttons, actions.items(), strict=True):
            key = f"{label.lower()} {one.name}"
            idle = label == "Test" and not one.channels
            if column.button(label, key=key, disabled=idle, width="stretch"):
                _do(action, f"{one.name}: {_DONE.get(label, label.lower())}")


def _facts(one: Standing) -> list[str]:
    facts = [", ".join(one.cameras) or "every camera"]
    facts.append(", ".join(sorted(c.kind for c in one.channels)) or "no channel: only listed here")
    if one.min_score:
        facts.append(f"score from {one.min_score:g}")
    if one.cooldown:
        facts.append(f"cool-down {shown_cooldown(one)}")
    if one.quiet.spans:
        facts.append(f"quiet {one.quiet} {one.quiet.zone}")
    facts.append("when it is over" if one.waits_for_end else "as soon as it is known")
    return facts


def _form(cameras: list[str], *, opened: bool) -> alerts.Draft | None:
    """What is to be saved now."""
    with (
        st.expander("Watch for something", expanded=opened),
        st.form("alert", border=False),
    ):
        short, long = st.columns([1, 3])
        name = short.text_input("Name", key="alert name", placeholder="boxes", max_chars=64)
        question = long.text_input(
            "Question", key="alert question", placeholder="who picked up a box", max_chars=500
        )
        where, signed = st.columns([3, 1])
        channels = where.text_area(
            "Tell",
            key="alert channels",
            placeholder="https://example.org/hook\nmqtt://broker/hoi/{camera}\nmailto:a@b.org",
            height=100,
            help="One a line. A secret is named: ${HOI_SECRET_NAME}, see docs/alerts.md.",
        )
        secret = signed.text_input(
            "Webhooks are signed with", key="alert secret", placeholder="env:HOI_SECRET_NAME"
        )
        chosen, score, pause, hours, zone = st.columns(5)
        draft = alerts.Draft(
            name=name,
            question=question,
            channels=channels,
            secret=secret,
            cameras=tuple(chosen.multiselect("Cameras", cameras, key="alert cameras")),
            min_score=score.slider("Least score", 0.0, 1.0, 0.0, key="alert score"),
            cooldown=pause.text_input("Cool-down", "0s", key="alert cooldown"),
            quiet=hours.text_input("Quiet hours", key="alert quiet", placeholder="22:00-07:00"),
            zone=zone.text_input("Time zone", "UTC", key="alert zone"),
            at_end=signed.toggle("Tell when it is over", key="alert end"),
        )
        saved = st.form_submit_button("Save", key="alert save", type="primary")
    return draft if saved else None


def _do(action: Callable[[], object], done: str) -> None:
    try:
        action()
    except StorageError as error:
        st.error(str(error))
        return
    st.toast(done)
    st.rerun()


@st.fragment(run_every=_REFRESH_SECONDS)
def _logs(url: str) -> None:
    try:
        found, log = alerts.alerts(url), alerts.tries(url)
    except StorageError as error:
        st.error(str(error))
        return
    columns = {"time": _TIME, "next try": _TIME}
    for title, table, key in (("Found", found, "found"), ("Delivery log", log, "tries")):
        if not table.empty:
            st.subheader(title)
            st.dataframe(table, key=key, hide_index=True, width="stretch", column_config=columns)
