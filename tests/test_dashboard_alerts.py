"""The page Alerts: questions are added, paused, tested and removed, and their log is shown."""

import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from storage.alert_rows import recent_alerts
from storage.channels import Channel
from storage.database import Sessions
from storage.standing_rows import all_standing
from tests.test_alerts import happen
from tests.test_dashboard import text_of
from tests.test_standing import look, stand

Open = Callable[[], AppTest]


@pytest.fixture
def open_alerts(database: str, monkeypatch: pytest.MonkeyPatch) -> Open:
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    st.cache_resource.clear()
    st.cache_data.clear()

    def show(url: str) -> None:
        from dashboard.views import alerts
        from models.speech import Words

        words = Words.of("world-boxes", detector_given=False)
        alerts.render(url, words.verbs, words.objects)

    return lambda: AppTest.from_function(show, default_timeout=60, args=(database,)).run()


def fill_in(app: AppTest, question: str, channels: str = "") -> AppTest:
    app.text_input(key="alert name").set_value("cups")
    app.text_input(key="alert question").set_value(question)
    app.text_area(key="alert channels").set_value(channels)
    app.text_input(key="alert secret").set_value("env:HOI_SECRET_X")
    app.text_input(key="alert cooldown").set_value("5m per camera")
    app.text_input(key="alert quiet").set_value("22:00-07:00")
    app.text_input(key="alert zone").set_value("Europe/Berlin")
    (save,) = [button for button in app.button if button.label == "Save"]
    return save.click().run()


def test_a_question_is_saved_from_the_form(open_alerts: Open, sessions: Sessions) -> None:
    app = open_alerts()
    assert "Nothing is watched for yet" in text_of(app)
    app = fill_in(app, "who held a cup", "https://example.org/x\nmailto:a@example.org\n")
    assert not app.exception
    assert "5 minutes" not in text_of(app)
    assert "cool-down 0:05:00 per camera · quiet 22:00-07:00 Europe/Berlin" in text_of(app)
    with sessions() as session:
        (saved,) = all_standing(session)
    assert [c.kind for c in saved.channels] == ["webhook", "mail"]
    assert saved.channels[0].secret == "env:HOI_SECRET_X"


def test_what_the_bundle_names_can_be_watched_for_before_it_was_seen(
    open_alerts: Open, sessions: Sessions
) -> None:
    app = open_alerts()
    fill_in(app, app.text_input(key="alert question").placeholder)
    with sessions() as session:
        (saved,) = all_standing(session)
    assert saved.question.clause.objects == ("box",)


@pytest.mark.parametrize(
    ("question", "channels", "said"),
    [
        ("how many cups were held", "", "a count is about the past"),
        ("who held a cup", "https://joe:hunter2@example.org", "does not stand in the URL"),
    ],
)
def test_what_cannot_be_saved_is_said(
    question: str, channels: str, said: str, open_alerts: Open, sessions: Sessions
) -> None:
    app = fill_in(open_alerts(), question, channels)
    assert said in text_of(app)
    assert not app.exception
    with sessions() as session:
        assert all_standing(session) == []


def test_questions_pause_are_tested_and_go(open_alerts: Open, sessions: Sessions) -> None:
    stand(sessions, "who picked up a box", channels=(Channel.make("https://example.org/x"),))
    happen(sessions, 1)
    look(sessions, datetime.now(UTC))
    app = open_alerts()
    assert app.dataframe[0].value["told"].tolist() == ["told"]
    app.button(key="test mine").click().run()
    with sessions() as session:
        assert {alert.test for alert in recent_alerts(session)} == {True, False}
    tried = app.dataframe[1].value
    assert tried["outcome"].str.startswith("not tried yet: a run").tolist() == [True, True]
    app.button(key="pause mine").click().run()
    assert "paused" in app.markdown[0].value
    app.button(key="resume mine").click().run()
    assert "paused" not in app.markdown[0].value
    app.button(key="remove mine").click().run()
    assert not app.exception
    assert "Nothing is watched for yet" in text_of(app)


def test_a_database_that_is_away_is_one_line(open_alerts: Open, database: str) -> None:
    Path(database.removeprefix("sqlite:///")).write_bytes(b"not a database at all" * 100)
    app = open_alerts()
    assert app.error
    assert not app.exception
