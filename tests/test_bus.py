"""The Redis stream and the database hold the same events, with a real server."""

import shutil
import subprocess
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from sqlalchemy.orm import Session, sessionmaker

from storage.bus import Bus, Message
from storage.errors import StorageError
from storage.interactions import Interaction, Phase
from storage.outbox import Outbox, OutboxRow
from storage.relay import DatabaseSink, RedisSink, Relay
from storage.repository import find_interactions
from tests.conftest import RedisServer, free_port, skip_or_fail
from tests.test_interactions import make_interaction


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.db")
    yield outbox
    outbox.close()


def rows(*interactions: Interaction) -> list[OutboxRow]:
    return [OutboxRow(n, f"test:{n}", event) for n, event in enumerate(interactions)]


def read_all(bus: Bus) -> list[Message]:
    messages: list[Message] = []
    while batch := bus.read(after=messages[-1].id if messages else "0-0"):
        messages += batch
    return messages


def life(number: int) -> list[Interaction]:
    return [make_interaction(number, phase=phase) for phase in Phase]


def assert_same_events(bus: Bus, sessions: sessionmaker[Session], *, number: int) -> None:
    messages = read_all(bus)
    with sessions() as session:
        in_database = find_interactions(session, limit=number * 2)
    ends = [m.interaction for m in messages if m.interaction.phase is Phase.END]
    assert sorted(ends, key=lambda i: i.started_at) == list(in_database)[::-1]
    assert len(ends) == number
    sent = Counter((m.interaction.id, m.interaction.phase) for m in messages)
    assert set(sent.values()) == {1}
    assert len(sent) == 3 * number


def test_a_message_brings_the_event_back(redis_server: RedisServer) -> None:
    bus = Bus(redis_server.url)
    bus.publish(rows(make_interaction()))
    [message] = bus.read()
    assert message.interaction == make_interaction()
    assert bus.read(after=message.id) == []


def test_reading_waits_for_what_comes(redis_server: RedisServer) -> None:
    bus = Bus(redis_server.url)
    late = threading.Timer(0.3, lambda: Bus(redis_server.url).publish(rows(make_interaction())))
    late.start()
    assert len(bus.read(block_ms=5000)) == 1
    late.join()
    assert bus.read(after="$", block_ms=50) == []


def test_the_stream_is_bounded(redis_server: RedisServer) -> None:
    bus = Bus(redis_server.url, max_length=200)
    for start in range(0, 2000, 500):
        bus.publish(rows(*(make_interaction(start + n) for n in range(500))))
    assert 200 <= len(read_all(bus)) < 600


def test_every_event_in_the_database_is_in_the_stream_once_and_the_other_way_round(
    outbox: Outbox, sessions: sessionmaker[Session], redis_server: RedisServer
) -> None:
    bus = Bus(redis_server.url)
    with Relay(outbox, [DatabaseSink(sessions), RedisSink(bus)]) as relay:
        for number in range(300):
            outbox.append(life(number))
        assert relay.flush(timeout=60)
    assert_same_events(bus, sessions, number=300)


def test_also_when_redis_dies_in_the_middle_and_comes_back(
    outbox: Outbox, sessions: sessionmaker[Session], redis_server: RedisServer
) -> None:
    bus = Bus(redis_server.url)
    with Relay(outbox, [DatabaseSink(sessions), RedisSink(bus)]) as relay:
        for number in range(300):
            outbox.append(life(number))
            if number == 150:
                redis_server.stop()
            if number == 250:
                time.sleep(0.5)  # the relay meets the dead server
                redis_server.start()
        assert relay.flush(timeout=60)
    assert_same_events(bus, sessions, number=300)


def test_also_when_the_program_died_after_sending_and_before_noting_it(
    outbox: Outbox, sessions: sessionmaker[Session], redis_server: RedisServer
) -> None:
    bus = Bus(redis_server.url)
    outbox.append([event for number in range(50) for event in life(number)])
    bus.publish(outbox.read(after=0, limit=80))
    with Relay(outbox, [DatabaseSink(sessions), RedisSink(bus)]) as relay:
        assert relay.flush(timeout=30)
    assert_same_events(bus, sessions, number=50)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://me:hunter2@host", "cannot be read"),
        ("redis://me:hunter2@host:port/0", "cannot be read"),
        ("redis://:hunter2@127.0.0.1:1/0", "refused"),
    ],
)
def test_a_bad_url_is_one_line_without_password(url: str, message: str) -> None:
    with pytest.raises(StorageError, match=message) as error:
        Bus(url).ping()
    assert "hunter2" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_wrong_password_is_one_line_without_it(tmp_path: Path) -> None:
    server = RedisServer(tmp_path, "--requirepass", "right")
    server.start()
    try:
        with pytest.raises(StorageError, match="redis://") as error:
            Bus(server.url.replace("//", "//:hunter2@")).ping()
        assert "hunter2" not in str(error.value)
        with pytest.raises(StorageError, match="Authentication required"):
            Bus(server.url).ping()
        Bus(server.url.replace("//", "//:right@")).ping()
    finally:
        server.stop()


def test_events_wait_while_redis_is_read_only_and_while_its_memory_is_full(
    outbox: Outbox, sessions: sessionmaker[Session], redis_server: RedisServer
) -> None:
    admin = redis.Redis(port=redis_server.port)
    bus = Bus(redis_server.url)
    troubles: dict[str, tuple[Callable[[], Any], Callable[[], Any]]] = {
        "read only": (
            lambda: admin.replicaof("127.0.0.1", 1),  # a replica after a failover
            lambda: admin.replicaof("NO", "ONE"),
        ),
        "maxmemory": (
            lambda: admin.config_set("maxmemory", "1"),
            lambda: admin.config_set("maxmemory", "0"),
        ),
    }
    with Relay(outbox, [DatabaseSink(sessions), RedisSink(bus)]) as relay:
        for number, (name, (begin, end)) in enumerate(troubles.items()):
            begin()
            outbox.append([event for n in range(20) for event in life(100 * number + n)])
            assert not relay.flush(timeout=1.0)
            states = relay.backlog()
            database, stream = (states[k] for k in sorted(states))
            assert database.waiting == 0
            assert stream.waiting == 60
            assert name in str(stream.error)
            end()
            assert relay.flush(timeout=40)
    assert_same_events(bus, sessions, number=40)


def test_tls_with_the_servers_own_authority(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        skip_or_fail("openssl is not installed: apt-get install openssl")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    command += ["-keyout", str(key), "-out", str(certificate)]
    subprocess.run(command, check=True, capture_output=True)
    port = free_port()
    server = RedisServer(
        tmp_path, "--tls-port", str(port), "--tls-cert-file", str(certificate),
        "--tls-key-file", str(key), "--tls-ca-cert-file", str(certificate),
        "--tls-auth-clients", "no",
    )  # fmt: skip
    server.start()
    try:
        url = f"rediss://127.0.0.1:{port}/0"
        bus = Bus(f"{url}?ssl_ca_certs={certificate}")
        bus.publish(rows(make_interaction()))
        assert [message.interaction for message in bus.read()] == [make_interaction()]
        with pytest.raises(StorageError, match="certificate verify failed") as error:
            Bus(url).ping()  # nobody vouches for it
        assert "\n" not in str(error.value)
    finally:
        server.stop()
