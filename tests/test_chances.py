"""Verbs that nobody configured are told as often by chance as was chosen, and no more."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import streamlit as st
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session, sessionmaker
from streamlit.testing.v1 import AppTest
from typer.testing import CliRunner

from dashboard.api import make_api
from storage.ask import Answer, answer
from storage.certainty import DAY
from storage.database import make_engine, make_sessions, upgrade
from storage.null_scores import find_stretches
from storage.open_verbs import Retrieval
from storage.pair_vectors import PairVector
from storage.question import Clause, Form, Question
from storage.repository import add_interactions
from storage.speech import OpenVerbs
from storage.track_rows import add_pair_vectors
from storage.vector_rows import Floats, count_vectors
from stream.cli import app, main
from tests.test_interactions import NOON, make_interaction

DAYS, A_DAY = 4, 1500  # moments
BUNDLE = "b"
JUGGLE = Clause(phrases=("juggle",))
TOKEN = "0123456789abcdef"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}
DIRECTION = np.array([1.0, 0, 0, 0], np.float32)
MOMENT = PairVector(
    camera="gate",
    moment="sample",
    human_track="gate:0:1",
    object_track="gate:0:2",
    object_class="ball",
    taken_at=NOON,
    media_time=0.0,
    human_box=(0, 0, 10, 20),
    object_box=(5, 5, 9, 9),
    bundle=BUNDLE,
    interaction=None,
    vector=5 * DIRECTION.astype(np.float16),
)


class Speech:
    """One direction of the vectors is every verb."""

    def silence(self, _bundle: str) -> str | None:
        return None

    def deaf(self, _bundle: str, _sentence: str) -> str | None:
        return None

    def verbs(self, _bundle: str) -> Mapping[str, str]:
        return {"hold": "a person holding an object"}

    def prototypes(self, _bundle: str, sentences: Sequence[str]) -> Floats:
        return np.tile(DIRECTION, (len(sentences), 1))

    def plain(self, bundle: str, sentences: Sequence[str]) -> Floats:
        return self.prototypes(bundle, sentences)

    def calibration(self, _bundle: str, _verb: str = "") -> tuple[float, float]:
        return 1.0, 0.0

    def smoothing(self, _bundle: str) -> Mapping[str, float]:
        return {}


def store(
    sessions: sessionmaker[Session],
    seed: int,
    number: int,
    true: int = 0,
    *,
    days: int = DAYS,
    visit: float = DAY,
) -> None:
    """Moments of as many pairs, spread over the days before noon, on each over the last seconds of
    a visit; the first ones are juggling."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(number, 4)).astype(np.float16)
    values[:true, 0] = 8 + np.arange(true)
    order = rng.permutation(number)
    day, part = np.divmod(order * days / number, 1)
    before = (day * DAY + part * visit).tolist()
    rows = [
        replace(
            MOMENT,
            human_track=f"gate:0:{2 * n + 1}",
            object_track=f"gate:0:{2 * n + 2}",
            taken_at=NOON - timedelta(seconds=before[n]),
            media_time=float(order[n]),
            vector=values[n],
        )
        for n in range(number)
    ]
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=rows)
        add_interactions(session, interactions=[make_interaction(1, object_class="ball")])


@pytest.mark.parametrize("seed", range(3))
def test_as_many_are_told_as_chance_was_allowed_and_all_that_are_true(
    sessions: sessionmaker[Session], seed: int
) -> None:
    store(sessions, seed, DAYS * A_DAY, true=12)
    with sessions() as session:
        told = {}
        for per_day in (0.01, 2.0, 20.0):
            retrieval = Retrieval(session, OpenVerbs(Speech(), per_day=per_day))
            found = retrieval.moments(JUGGLE, {})
            told[per_day] = len(found)
            true = sum(int(one.human_track.rpartition(":")[2]) < 24 for one in found)
            assert true == 12
            assert all(retrieval.by_chance[one.id] < 0.03 for one in found)
    assert told[0.01] <= 13
    assert 12 <= told[2.0] <= 12 + 3 * 2 * DAYS  # eight are expected, give or take three
    assert 12 + 20 * DAYS / 2 <= told[20.0] <= 12 + 20 * DAYS * 2


@pytest.mark.parametrize("seed", range(3))
def test_of_much_that_is_stored_a_sample_tells_and_not_more_is_read(
    sessions: sessionmaker[Session], seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.null_scores.MOST_VECTORS", A_DAY)
    store(sessions, seed, DAYS * A_DAY)
    with sessions() as session:
        retrieval = Retrieval(session, OpenVerbs(Speech(), per_day=100.0))
        told = len(retrieval.moments(JUGGLE, {}))
        (judgement,) = retrieval.judgements.values()
        assert A_DAY / 2 <= judgement.moments <= A_DAY
    assert 100 * DAYS / 2 <= told <= 100 * DAYS * 2


def test_a_sample_is_spread_over_all_that_is_stored_and_found_where_that_is_in_clumps(
    sessions: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage.null_scores.MOST_VECTORS", 1000)
    store(sessions, 0, 6000, days=30, visit=7200.0)
    with sessions() as session:
        stretches = find_stretches(session, BUNDLE, {})
        assert stretches is not None
        rows = [
            count_vectors(session, BUNDLE, {"since": since, "until": until})
            for since, until in (
                (datetime.fromtimestamp(at, UTC) for at in pair) for pair in stretches.tolist()
            )
        ]
    assert 500 <= sum(rows) <= 1000
    assert max(rows) <= 50
    days = {int((NOON.timestamp() - since) // DAY) for since, _ in stretches[np.array(rows) > 0]}
    assert len(days) >= 25


def test_all_pages_of_an_answer_are_judged_alike_whatever_comes_meanwhile(
    sessions: sessionmaker[Session],
) -> None:
    store(sessions, 3, DAYS * A_DAY, true=4)
    question = Question("who juggled", JUGGLE)
    known = OpenVerbs(Speech(), per_day=20.0)

    def page(offset: int) -> Answer:
        with sessions() as session:
            return answer(session, question, until=NOON, limit=20, offset=offset, open_verbs=known)

    first = page(0)
    later = [
        replace(MOMENT, human_track=f"gate:0:{n}", taken_at=NOON + timedelta(seconds=n))
        for n in range(1, 3000)
    ]
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=later)
    second = page(20)
    assert second.certainty[0].threshold == first.certainty[0].threshold
    assert second.total == first.total
    assert {row.interaction.id for row in first.rows}.isdisjoint(
        row.interaction.id for row in second.rows
    )


def asked_of(
    sessions: sessionmaker[Session],
    per_day: float,
    since: timedelta,
    form: Form = Form.LIST,
    until: timedelta = timedelta(),
) -> Answer:
    with sessions() as session:
        return answer(
            session,
            Question("juggling", JUGGLE, form=form),
            since=NOON - since,
            until=NOON - until,
            open_verbs=OpenVerbs(Speech(), per_day=per_day),
        )


def test_an_answer_says_how_many_of_its_rows_are_chance_in_the_time_asked_about(
    sessions: sessionmaker[Session],
) -> None:
    store(sessions, 4, DAYS * A_DAY)
    day, all_ = (asked_of(sessions, 20.0, timedelta(days=n)) for n in (1, DAYS))
    assert day.expected == pytest.approx(20, rel=0.1)
    assert all_.expected == pytest.approx(20 * DAYS, rel=0.1)
    assert 10 <= day.total <= 40
    assert f"chance alone gives about {day.expected:.2g} there" in day.summary
    nobody = Question("", replace(JUGGLE, person=3))
    with sessions() as session:
        how = OpenVerbs(Speech(), per_day=20.0)
        assert (answer(session, nobody, open_verbs=how).expected or 0.0) < 0.05


def test_yes_is_not_said_of_what_chance_gives_as_well(sessions: sessionmaker[Session]) -> None:
    """Of every day, on which two are expected; one in ten may be surprising, by chance."""
    store(sessions, 0, 3 * DAYS * A_DAY, days=3 * DAYS)
    told = [
        asked_of(sessions, 2.0, timedelta(days=day + 1), Form.YES_NO, timedelta(days=day))
        for day in range(3 * DAYS)
    ]
    found = [day for day in told if day.total]
    assert len(found) >= 2 * DAYS
    assert all(day.yes is False for day in told if not day.total)
    unknown = [day for day in found if day.yes is None]
    assert len(unknown) >= len(found) - 3
    assert all(day.summary.startswith("not known: ") for day in unknown)


def test_yes_is_said_of_what_chance_hardly_ever_gives(sessions: sessionmaker[Session]) -> None:
    store(sessions, 3, DAYS * A_DAY, true=2)
    told = asked_of(sessions, 2.0, timedelta(days=DAYS), Form.YES_NO)
    assert told.yes is True
    assert told.summary.startswith("yes: ")


def test_a_score_is_the_belief_whatever_was_chosen(sessions: sessionmaker[Session]) -> None:
    """Moments that are told live, and others, are put in one order."""
    store(sessions, 3, DAYS * A_DAY, true=4)
    few, many = (
        {row.interaction.id: row.interaction.peak_score for row in told.rows}
        for told in (asked_of(sessions, per_day, timedelta(days=DAYS)) for per_day in (0.05, 50.0))
    )
    assert len(few) >= 4
    assert few == {id_: many[id_] for id_ in few}


@pytest.mark.parametrize(
    ("per_day", "said"), [("inf", "inf false alarms a day"), ("nan", "--per-day")]
)
def test_a_rate_that_is_no_number_is_refused(
    sessions: sessionmaker[Session],
    database: str,
    per_day: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    store(sessions, 1, 50)
    api = TestClient(make_api(sessions, TOKEN, OpenVerbs(Speech())))
    query = {"q": "who juggled a ball", "per_day": per_day}
    assert api.get("/ask", params=query, headers=HEADERS).status_code == 422
    with pytest.raises(SystemExit) as ended:
        main(["ask", "who juggled a ball", "--database", database, "--per-day", per_day])
    assert ended.value.code in (1, 2)
    assert said in capsys.readouterr().err


def test_where_it_never_happened_nothing_is_told_rather_than_the_best_of_nothing(
    sessions: sessionmaker[Session],
) -> None:
    store(sessions, 5, DAYS * A_DAY)
    with sessions() as session:
        sure = Retrieval(session, OpenVerbs(Speech(), per_day=0.001))
        assert sure.moments(JUGGLE, {}) == []
        plain = Retrieval(session, OpenVerbs(Speech()))
        assert len(plain.moments(JUGGLE, {})) > 1000


def test_too_few_moments_are_judged_by_calibration_and_that_is_said(
    sessions: sessionmaker[Session],
) -> None:
    store(sessions, 1, 50, true=2)
    with sessions() as session:
        retrieval = Retrieval(session, OpenVerbs(Speech(), per_day=2.0))
        assert len(retrieval.moments(JUGGLE, {})) >= 2
        (judgement,) = retrieval.judgements.values()
        assert judgement.chance is None
        assert "50 moments are too few" in str(judgement)
        assert not retrieval.by_chance


def test_an_answer_says_how_likely_it_is_chance(sessions: sessionmaker[Session]) -> None:
    store(sessions, 3, DAYS * A_DAY, true=4)
    api = TestClient(make_api(sessions, TOKEN, OpenVerbs(Speech())))

    def ask(per_day: float) -> dict[str, Any]:
        query = {"q": "who juggled a ball", "per_day": str(per_day), "limit": "500"}
        found = api.get("/ask", params=query, headers=HEADERS)
        assert found.status_code == 200, found.text
        told: dict[str, Any] = found.json()
        return told

    few, many = ask(0.05), ask(50)
    assert 4 <= few["total"] <= 6 < many["total"]
    (certainty,) = few["certainty"]
    assert (certainty["phrase"], certainty["moments"]) == ("juggle", DAYS * A_DAY)
    assert certainty["low"] <= 0.05 <= certainty["high"]
    assert certainty["threshold"] > many["certainty"][0]["threshold"]
    assert all(0 <= row["by_chance"] < 0.01 for row in few["rows"])
    assert "juggle: about 0.05 a day by chance" in few["summary"]
    assert few["expected"] == pytest.approx(0.05 * DAYS, rel=0.1)
    rates = [point["per_day"] for point in certainty["curve"]]
    assert rates == sorted(rates, reverse=True)
    assert rates[0] > 50 > 0.05 > rates[-1]


def test_the_page_shows_what_a_threshold_costs(
    sessions: sessionmaker[Session], database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sessions, 3, DAYS * A_DAY, true=4)
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    st.cache_data.clear()
    st.cache_resource.clear()

    def show(url: str, media: str) -> None:
        from dashboard.views import ask
        from storage.speech import OpenVerbs
        from tests.test_chances import Speech

        ask.render(url, media, OpenVerbs(Speech()))

    page = AppTest.from_function(show, default_timeout=60, args=(database, str(tmp_path)))
    page.query_params["q"] = "who juggled a ball"
    page.run()
    assert not page.exception
    before = len(page.dataframe[0].value)
    assert len(page.get("vega_lite_chart")) == 1
    assert any("juggle: about 2 a day" in str(caption.value) for caption in page.caption)
    page.select_slider(key="per_day").set_value(0.1).run()
    assert not page.exception
    assert 4 <= len(page.dataframe[0].value) < before


def test_the_command_line_takes_the_choice(
    sessions: sessionmaker[Session], database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(sessions, 3, DAYS * A_DAY, true=4)
    monkeypatch.setattr("stream.cli_ask.BundleSpeech", lambda *_: Speech())
    command = ["ask", "who juggled a ball", "--database", database, "--csv", "--per-day"]
    few, many = (
        CliRunner().invoke(app, [*command, per_day]).stdout.splitlines()
        for per_day in ("0.01", "50")
    )
    assert 5 <= len(few) <= 7 < len(many)
    columns = few[0].split(",")
    assert float(few[1].split(",")[columns.index("by chance")]) < 1e-4


def test_postgresql_which_leaves_out_hopeless_pairs_tells_the_same(
    sessions: sessionmaker[Session], postgres_url: str
) -> None:
    engine = make_engine(postgres_url)
    upgrade(engine)
    told = []
    for made in (sessions, make_sessions(engine)):
        store(made, 0, DAYS * A_DAY, true=12)
        with made() as session:
            retrieval = Retrieval(session, OpenVerbs(Speech(), per_day=20.0))
            told.append({one.id: one.peak_score for one in retrieval.moments(JUGGLE, {})})
    engine.dispose()
    assert len(told[0]) > 12 + 20 * DAYS / 2
    assert told[0].keys() == told[1].keys()
    assert told[0] == pytest.approx(told[1], abs=1e-3)
