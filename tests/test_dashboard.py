"""The pages show what the database holds, and say plainly when it holds nothing."""

import sys
from collections.abc import Callable
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from PIL import Image
from streamlit.testing.v1 import AppTest

from dashboard import reads
from dashboard.corrections import Correction
from dashboard.views import ask as ask_page
from dashboard.views.ask import draw_boxes
from storage.database import Sessions
from storage.repository import add_interactions
from storage.track_rows import add_tracks
from storage.tracks import Track
from storage.zones import local_zone
from tests.test_interactions import NOON, make_interaction

APP = str(Path(__file__).parents[1] / "dashboard" / "app.py")
Open = Callable[[str], AppTest]


@pytest.fixture
def open_page(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Open:
    """Opens the app at a question; caches of other tests are gone."""
    # AppTest puts its script in place of the main module, where new processes would look for it.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setenv("HOI_STREAM_DATABASE__URL", database)
    monkeypatch.setenv("HOI_STREAM_MEDIA", str(tmp_path))
    st.cache_resource.clear()
    st.cache_data.clear()

    def open_(question: str) -> AppTest:
        app = AppTest.from_file(APP, default_timeout=60)
        app.query_params["q"] = question
        return app.run()

    return open_


def fill(sessions: Sessions) -> None:
    with sessions.begin() as session:
        add_interactions(
            session,
            interactions=[
                make_interaction(1, verb="pick up", object_class="bottle"),
                make_interaction(2, verb="pick up", object_class="box"),
                make_interaction(3, verb="hold", object_class="cup"),
            ],
        )


def text_of(app: AppTest) -> str:
    parts = [*app.info, *app.warning, *app.error, *app.caption, *app.subheader]
    return "\n".join(str(part.value) for part in parts)


def test_the_question_returns_the_rows_that_the_database_holds(
    open_page: Open, sessions: Sessions
) -> None:
    fill(sessions)
    app = open_page("who picked up what")
    assert not app.exception
    (table,) = app.dataframe
    assert sorted(table.value["what"]) == ["bottle", "box"]
    assert "2 interactions" in text_of(app)


def test_a_typed_question_and_an_example_are_asked(open_page: Open, sessions: Sessions) -> None:
    fill(sessions)
    app = open_page("")
    app.text_input(key="question").set_value("who held a cup").run()
    assert len(app.dataframe[0].value) == 1
    app.button(key="example who picked up what").click().run()
    assert sorted(app.dataframe[0].value["what"]) == ["bottle", "box"]


def test_what_is_not_understood_is_said(open_page: Open, sessions: Sessions) -> None:
    fill(sessions)
    app = open_page("who frobnicated the box")
    assert "frobnicated" in text_of(app)
    assert not app.dataframe
    assert not app.exception


def test_nothing_found_is_said(open_page: Open, sessions: Sessions) -> None:
    fill(sessions)
    app = open_page("who put down what")
    assert "Nothing found" in text_of(app)
    assert not app.dataframe


def test_a_new_database_tells_what_to_run(open_page: Open) -> None:
    app = open_page("")
    assert "stream run --source" in text_of(app)
    assert not app.exception


def test_a_database_that_cannot_be_reached_is_one_line(
    open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(
        "HOI_STREAM_DATABASE__URL", "postgresql+psycopg://hoi:secret@127.0.0.1:9/hoi"
    )
    app = open_page("who picked up what")
    assert not app.exception
    assert app.error
    assert "secret" not in text_of(app)


@pytest.mark.parametrize("page", ["timeline", "latest"])
def test_every_page_shows_the_interactions(
    page: str, database: str, sessions: Sessions, open_page: Open
) -> None:
    fill(sessions)
    open_page("")  # sets the environment and clears the caches

    def show(page: str, url: str) -> None:
        from dashboard.views import latest, timeline

        {"timeline": timeline, "latest": latest}[page].render(url)

    app = AppTest.from_function(show, default_timeout=60, args=(page, database)).run()
    assert not app.exception
    if page == "latest":
        assert len(app.dataframe[0].value) == 3
        assert app.metric[0].value == "3"
    else:
        assert app.multiselect(key="timeline verbs").options == ["hold", "pick up"]
        assert len(app.get("vega_lite_chart")) == 1


def test_the_boxes_are_drawn_on_the_shown_picture_alone(tmp_path: Path) -> None:
    path = tmp_path / "moment.png"
    Image.fromarray(np.zeros((100, 200, 3), np.uint8)).save(path)
    picture = reads.Picture(path, "", (10, 10, 50, 90), (60, 20, 90, 40))
    drawn = np.asarray(draw_boxes(picture))
    assert drawn[10, 30].tolist() == [220, 60, 50]
    assert drawn[30, 60].tolist() == [40, 150, 90]
    assert not np.asarray(Image.open(path)).any()


def test_clips_are_shown_in_place_of_pictures(
    open_page: Open, sessions: Sessions, tmp_path: Path
) -> None:
    Image.new("RGB", (400, 300)).save(tmp_path / "1.jpg")
    (tmp_path / "1.mp4").write_bytes(b"a video")
    with sessions.begin() as session:
        one = make_interaction(1, snapshot="1.jpg", clip="1.mp4", clip_peak=4.0)
        other = make_interaction(2, snapshot="1.jpg", clip="gone.mp4", clip_peak=4.0)
        add_interactions(session, interactions=[one, other])
    app = open_page("who picked up what")
    assert not app.get("video")
    app.toggle(key="clips").set_value(True).run()
    assert not app.exception
    assert len(app.get("video")) == 1


def test_the_pages_of_a_long_answer_are_turned(open_page: Open, sessions: Sessions) -> None:
    held = [make_interaction(n, verb="hold", object_class="cup") for n in range(120)]
    with sessions.begin() as session:
        add_interactions(session, interactions=held)
    question = "who held what"
    app = open_page(question)
    rows = [app.dataframe[0].value]
    for page in (2, 3):
        app.number_input(key=f"page {question}").set_value(page).run()
        rows.append(app.dataframe[0].value)
    assert [len(table) for table in rows] == [50, 50, 20]
    assert len({time for table in rows for time in table["time"]}) == 120
    app.text_input(key="question").set_value("who held a cup").run()
    assert len(app.dataframe[0].value) == 50


def test_what_was_understood_can_be_corrected(open_page: Open, sessions: Sessions) -> None:
    fill(sessions)
    question = "who picked up the flurb"
    app = open_page(question)
    assert "Not understood: flurb" in text_of(app)
    assert not app.dataframe
    assert "Understood: picked up: pick up" in text_of(app)
    assert app.multiselect(key=f"verbs {question}").value == ["pick up"]
    app.multiselect(key=f"objects {question}").set_value(["bottle"]).run()
    assert not app.exception
    assert "Understood, before it was corrected: picked up: pick up" in text_of(app)
    assert len(app.dataframe[0].value) == 1
    assert "1 interaction" in text_of(app)


def test_times_and_colours_can_be_corrected(open_page: Open, sessions: Sessions) -> None:
    wears = {"gate:0:3": ("blue", "black"), "gate:0:4": ("green", None)}
    seen = [
        Track(
            id=track, camera="gate", class_name="person", first_seen=NOON, last_seen=NOON,
            media_start=0.0, media_end=60.0, frames=100, bundle="b", colour=above,
            lower_colour=below,
        )
        for track, (above, below) in wears.items()
    ]  # fmt: skip
    with sessions.begin() as session:
        add_tracks(session, tracks=seen)
        tracks = {"human_track": "gate:0:3", "object_track": "gate:0:4"}
        add_interactions(session, interactions=[make_interaction(1, **tracks)])
    question = "who in a red shirt picked up a red box yesterday"
    app = open_page(question)
    assert "Nothing found" in text_of(app)
    assert app.selectbox(key=f"Wears above {question}").value == "red"
    day = app.datetime_input(key=f"since {question}").value
    assert day is not None
    assert not app.datetime_input(key=f"since {question}").proto.default, "or it cannot be cleared"
    assert (day.hour, day.minute) == (0, 0)
    noon = NOON.astimezone(local_zone()).replace(tzinfo=None, second=0, microsecond=0)
    app.datetime_input(key=f"since {question}").set_value(noon)
    app.datetime_input(key=f"until {question}").set_value(None)
    app.selectbox(key=f"Wears above {question}").set_value("blue")
    app.selectbox(key=f"Wears below {question}").set_value("black")
    app.selectbox(key=f"Colour of the thing {question}").set_value("green").run()
    assert not app.exception
    assert app.dataframe[0].value["who"].tolist() == ["person 3 (gate)"]
    later = noon + timedelta(minutes=10)
    app.datetime_input(key=f"since {question}").set_value(later).run()
    assert "Nothing found" in text_of(app)


def test_a_time_that_passes_is_corrected_by_nobody_who_looks_at_it(
    open_page: Open, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The field shows minutes; "the last ten minutes" begin at a second, and later all the time."""
    asked = list[Correction | None]()
    ask = reads.ask

    def note(*given: Any, **named: Any) -> reads.Reply:
        asked.append(given[6] if len(given) > 6 else None)
        return ask(*given, **named)

    fill(sessions)
    monkeypatch.setattr(reads, "ask", note)
    app = open_page("who picked up what in the last 10 minutes")
    app.run()
    assert not app.exception
    assert asked == [None, None]


def test_a_time_that_nobody_changed_is_shown_as_it_is_asked_for(
    open_page: Open, sessions: Sessions, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page stays open for a day: "today" is another day then, and what was put in stays."""
    fill(sessions)
    question = "who picked up what today"
    app = open_page(question)
    since = app.datetime_input(key=f"since {question}").value
    assert since is not None
    tomorrow = datetime.now(local_zone()) + timedelta(days=1)

    class Tomorrow(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return tomorrow.astimezone(tz)

    monkeypatch.setattr(ask_page, "datetime", Tomorrow)
    app.run()
    assert not app.exception
    assert app.datetime_input(key=f"since {question}").value == since + timedelta(days=1)
    assert "before it was corrected" not in text_of(app)
    app.datetime_input(key=f"since {question}").set_value(since).run()
    app.run()
    assert "before it was corrected" in text_of(app)
    assert app.datetime_input(key=f"since {question}").value == since
