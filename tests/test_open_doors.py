"""A verb that nobody configured is answered through every door, by the bundle's own text tower."""

import json
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from dashboard.serve import TOKEN_VARIABLE, serve
from models.bundle import load_bundle
from models.speech import BundleSpeech
from storage.ask import OpenVerbs
from storage.database import Sessions
from storage.pair_vectors import PairVector
from storage.repository import add_interactions
from storage.track_rows import add_pair_vectors
from stream.cli import app
from tests.test_dashboard import Open, open_page, text_of
from tests.test_interactions import NOON, make_interaction

__all__ = ["open_page"]  # a fixture
TOKEN = "a token of this test"
EYES = load_bundle("world").hash
QUESTION = "who studied what"
LOGIT = 15.0  # as sure as the bundle ever is


@pytest.fixture
def stored(sessions: Sessions) -> Sessions:
    """Someone studied a cup for ten seconds, then did not."""
    known = OpenVerbs(BundleSpeech())
    (prototype,) = known.speaks.prototypes(EYES, known.sentences(EYES, ["study"]))
    vector = LOGIT * prototype / (prototype @ prototype)
    told = [
        PairVector(
            camera="gate",
            moment="sample",
            human_track="gate:0:3",
            object_track="gate:0:4",
            object_class="cup",
            taken_at=NOON + timedelta(seconds=second),
            media_time=second,
            human_box=(0, 0, 10, 20),
            object_box=(5, 5, 8, 8),
            bundle=EYES,
            interaction=None,
            vector=(vector if second <= 10 else -vector).astype(np.float16),
        )
        for second in (0.0, 5.0, 10.0, 15.0, 20.0)
    ]
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=told)
        add_interactions(session, interactions=[make_interaction(9, object_class="cup")])
    return sessions


def check(one: dict[str, Any]) -> None:
    assert (one["verb"], one["object_class"], one["human_track"]) == ("study", "cup", "gate:0:3")
    assert (one["media_start"], one["media_end"]) == (0, 10)
    assert one["peak_score"] > 0.9


def test_the_command_line(stored: Sessions, database: str) -> None:
    command = ["ask", QUESTION, "--database", database]
    told = CliRunner().invoke(app, [*command, "--json"])
    assert told.exit_code == 0, told.output
    (row,) = json.loads(told.stdout)["rows"]
    check(row["interaction"])
    assert "studied: study, asked of stored vectors" in told.stderr
    told = CliRunner().invoke(app, ["ask", "who washed what", "--database", database])
    assert "world was never taught the word 'washing'" in told.stdout
    told = CliRunner().invoke(app, ["ask", "who studied the guitar", "--database", database])
    assert (told.exit_code, "no such thing here: guitar" in told.stderr) == (1, True)
    assert stored


@pytest.fixture
def client(stored: Sessions, database: str, monkeypatch: pytest.MonkeyPatch) -> TestClient:
    """As `stream api` starts it."""
    monkeypatch.setenv("HOI_STREAM_DATABASE__URL", database)
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    assert stored
    return TestClient(serve(), headers={"Authorization": f"Bearer {TOKEN}"})


def test_the_http_api(client: TestClient) -> None:
    def ask(question: str) -> Any:
        found = client.get("/ask", params={"q": question})
        assert found.status_code == 200, found.text
        return found.json()

    told = ask(QUESTION)
    (row,) = told["rows"]
    assert row["asked"] is True
    check(row["interaction"])
    assert told["understood"][0]["meaning"] == "study, asked of stored vectors"
    assert told["certainty"][0]["phrase"] == "study"
    assert ask("who studied the guitar")["absent"] == ["guitar"]


def test_the_page(open_page: Open, stored: Sessions) -> None:
    page = open_page(QUESTION)
    assert not page.exception
    (table,) = page.dataframe
    assert table.value[["who", "what"]].to_numpy().tolist() == [["person 3 (gate)", "cup"]]
    assert "studied: study, asked of stored vectors" in text_of(page)
    assert page.multiselect(key=f"verbs {QUESTION}").value == ["study"]
    page.text_input(key="question").set_value("who studied the guitar").run()
    assert "No such thing here: guitar" in text_of(page)
    assert not page.dataframe
    assert stored
