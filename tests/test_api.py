"""The HTTP door answers as `stream ask` does, to those who know the token."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx2 as httpx
import pytest
import uvicorn
from fastapi.testclient import TestClient

from dashboard.api import make_api
from storage.alerts import add_test
from storage.channels import Channel
from storage.database import Sessions, make_engine, make_sessions
from storage.delivery_rows import claim, due, note_attempt
from storage.errors import StorageError
from storage.repository import add_interactions
from tests.conftest import free_port
from tests.test_interactions import NOON, make_interaction
from tests.test_standing import stand

TOKEN = "a token of this test"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def client(sessions: Sessions) -> Iterator[TestClient]:
    events = [make_interaction(n, verb="hold", object_class="cup") for n in range(5)]
    with sessions.begin() as session:
        add_interactions(session, interactions=[*events, make_interaction(9, camera="lobby")])
    with TestClient(make_api(sessions, TOKEN), headers=HEADERS) as one:
        yield one


def get(client: TestClient, path: str, **parameters: Any) -> Any:
    response = client.get(path, params=parameters)
    assert response.status_code == 200, response.text
    return response.json()


def test_a_question_is_answered_page_by_page(client: TestClient) -> None:
    first = get(client, "/ask", q="who held what", limit=2)
    assert (first["total"], first["summary"], first["next_offset"]) == (5, "5 interactions", 2)
    assert first["understood"][0] == {"start": 4, "end": 8, "said": "held", "meaning": "hold"}
    rows, offset = first["rows"], first["next_offset"]
    while offset is not None:
        page = get(client, "/ask", q="who held what", limit=2, offset=offset, until=first["as_of"])
        rows, offset = rows + page["rows"], page["next_offset"]
    times = [row["interaction"]["started_at"] for row in rows]
    assert len(set(times)) == 5
    assert times == sorted(times, reverse=True)
    assert "vector" not in rows[0]["interaction"]
    assert get(client, "/ask", q="how many people held a cup")["number"] == 1
    assert get(client, "/ask", q="did anyone kick a ball")["yes"] is False
    assert get(client, "/ask", q="who did what", camera="lobby")["total"] == 1


def test_interactions_and_names(client: TestClient) -> None:
    page = get(client, "/interactions", verb="hold", limit=4)
    assert (len(page["interactions"]), page["next_offset"]) == (4, 4)
    late = get(client, "/interactions", since=(NOON + timedelta(seconds=8)).isoformat())
    assert len(late["interactions"]) == 1
    ever = get(client, "/interactions", since="0001-01-01T00:00Z", until="9999-12-31T23:59Z")
    assert len(ever["interactions"]) == 6
    one = page["interactions"][0]
    assert get(client, f"/interactions/{one['id']}") == one
    assert get(client, "/names")["cameras"] == ["gate", "lobby"]


@pytest.mark.parametrize(
    ("path", "parameters", "code", "said"),
    [
        ("/ask", {"q": ""}, 422, "empty"),
        ("/ask", {"q": "x" * 10_000}, 422, "at most 500"),
        ("/ask", {"q": "who", "zone": "../../etc/passwd"}, 422, "no time zone"),
        ("/ask", {"q": "who held what", "camera": "gaet"}, 422, "did you mean 'gate'"),
        ("/ask", {"q": "who", "limit": 10_000}, 422, "less than or equal"),
        ("/ask", {"q": "who", "since": "2026-01-01T00:00"}, 422, "timezone"),
        ("/interactions/6e1f4f3c-0000-4000-8000-000000000000", {}, 404, "no such"),
    ],
)
def test_what_cannot_be_answered_is_refused(
    client: TestClient, path: str, parameters: dict[str, Any], code: int, said: str
) -> None:
    response = client.get(path, params=parameters)
    assert response.status_code == code
    assert said in response.text


def test_nothing_is_told_without_the_token(client: TestClient, sessions: Sessions) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/ask", "/interactions", "/live", "/names", "/health"} <= set(paths)
    for path, methods in paths.items():
        assert set(methods) == {"get"}, "read-only"
        for token in ("", "Bearer", "Bearer wrong", f"Basic {TOKEN}", "Bearer wröng"):
            answer = client.get(path, headers={b"Authorization": token.encode()})
            assert answer.status_code == (200 if path == "/health" else 401), (path, token)
    with pytest.raises(StorageError, match="token"):
        make_api(sessions, "")


def test_a_database_that_is_away_is_named_to_those_with_the_token_alone() -> None:
    engine = make_engine("postgresql+psycopg://joe:secret@127.0.0.1:9/hoi")
    with TestClient(make_api(make_sessions(engine), TOKEN)) as client:
        told = client.get("/health")
        assert told.status_code == 503
        assert told.json() == {"detail": "the database is away"}
        asked = client.get("/names", headers=HEADERS)
        assert (asked.status_code, "127.0.0.1" in asked.text) == (503, True)
    engine.dispose()


def test_standing_questions_and_how_they_were_told(client: TestClient, sessions: Sessions) -> None:
    url = "https://${HOI_SECRET_NAME}@example.org/x"
    saved = stand(sessions, "who picked up a box", channels=(Channel.make(url),))
    with sessions.begin() as session:
        add_test(session, saved, now=NOON)
        (seq,) = due(session, now=NOON)
        delivery = claim(session, seq, now=NOON)
        assert delivery is not None
        note_attempt(session, delivery, at=NOON, outcome="404", seconds=0.5, state="failed")
    (one,) = get(client, "/standing")
    assert (one["name"], one["text"], one["channels"]) == ("mine", "who picked up a box", [url])
    (alert,) = get(client, "/alerts", standing="mine")
    assert alert["test"] is True
    assert alert["body"]["id"] == alert["id"]
    assert get(client, "/alerts", standing="other") == []
    (tried,) = get(client, "/deliveries", limit=1)
    assert (tried["alert"], tried["state"], tried["outcome"]) == (alert["id"], "failed", "404")


def test_pictures_and_clips_are_fetched_by_the_interaction(
    sessions: Sessions, tmp_path: Path
) -> None:
    media = tmp_path / "media"
    (media / "clips").mkdir(parents=True)
    (media / "clips" / "1.mp4").write_bytes(b"a video")
    (media / "1.jpg").write_bytes(b"a picture")
    (tmp_path / "secret.jpg").write_bytes(b"a secret")
    (media / "link.jpg").symlink_to(tmp_path / "secret.jpg")
    places = ("1.jpg", "../secret.jpg", str(tmp_path / "secret.jpg"), "link.jpg", "gone.jpg", None)
    ones = [make_interaction(n, snapshot=p, clip="clips/1.mp4") for n, p in enumerate(places)]
    with sessions.begin() as session:
        add_interactions(session, interactions=ones)
    with TestClient(make_api(sessions, TOKEN, media=media), headers=HEADERS) as client:
        told = [client.get(f"/interactions/{one.id}/snapshot") for one in ones]
        assert [one.status_code for one in told] == [200, *[404] * 5]
        assert (told[0].content, told[0].headers["content-type"]) == (b"a picture", "image/jpeg")
        clip = client.get(f"/interactions/{ones[0].id}/clip", headers={"Range": "bytes=2-6"})
        assert (clip.status_code, clip.content) == (206, b"video")
        assert clip.headers["content-type"] == "video/mp4"


@pytest.fixture
def served(sessions: Sessions) -> Iterator[str]:
    """The address of a real server."""
    port = free_port()
    config = uvicorn.Config(make_api(sessions, TOKEN), port=port, log_level="warning")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    until = time.monotonic() + 20
    while not server.started and time.monotonic() < until:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


def listen(
    url: str, seconds: float, meanwhile: Callable[[], None], **headers: str
) -> list[tuple[str, dict[str, Any]]]:
    """The ids and data of all events."""
    seen, ids = [], []
    with (
        httpx.Client(headers={**HEADERS, **headers}, timeout=20) as client,
        client.stream("GET", f"{url}/live", params={"seconds": seconds}) as stream,
    ):
        for line in stream.iter_lines():
            if line == ": live":
                meanwhile()
            if line.startswith("id: "):
                ids.append(line[4:])
            if line.startswith("data: "):
                seen.append(json.loads(line[6:]))
    return list(zip(ids, seen, strict=True))


def test_live_events_come_over_a_socket(sessions: Sessions, served: str) -> None:
    def store(*numbers: int) -> None:
        with sessions.begin() as session:
            add_interactions(session, interactions=[make_interaction(n) for n in numbers])

    store(0)
    ((last, one),) = listen(served, 3, lambda: store(300))
    assert one["id"] == str(make_interaction(300).id)
    store(400, 500)  # while nobody listens
    again = listen(served, 2, lambda: None, **{"Last-Event-ID": last})
    told = [one["id"] for _, one in again]
    assert told == [str(make_interaction(n).id) for n in (300, 400, 500)]
    assert listen(served, 0.1, lambda: None) == []
