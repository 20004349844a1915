"""A sink that is slow, cut off, read-only or full gets all in order when it is well again."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import Engine, event, text
from sqlalchemy.orm import Session, sessionmaker

from storage.bus import Bus
from storage.database import make_engine, make_sessions, upgrade
from storage.errors import StorageError
from storage.interactions import Interaction
from storage.outbox import Outbox
from storage.relay import DatabaseSink, RedisSink, Relay
from storage.repository import find_interactions
from tests.conftest import RedisServer
from tests.servers.toxic import ToxicProxy
from tests.test_interactions import make_interaction

EVENTS = [make_interaction(n) for n in range(3000)]


@pytest.fixture
def outbox(tmp_path: Path) -> Iterator[Outbox]:
    outbox = Outbox(tmp_path / "outbox.db")
    yield outbox
    outbox.close()


@pytest.fixture
def make_proxy() -> Iterator[Callable[[tuple[str, int] | str], ToxicProxy]]:
    proxies: list[ToxicProxy] = []

    def make(target: tuple[str, int] | str) -> ToxicProxy:
        proxies.append(ToxicProxy(target))
        return proxies[-1]

    yield make
    for proxy in proxies:
        proxy.close()


@pytest.fixture
def postgres(postgres_url: str, make_proxy: Any) -> Iterator[tuple[Engine, ToxicProxy]]:
    """An engine that goes by a proxy."""
    folder = parse_qs(urlsplit(postgres_url).query)["host"][0]
    proxy = make_proxy(f"{folder}/.s.PGSQL.5432")
    engine = make_engine(f"postgresql://postgres@127.0.0.1:{proxy.port}/postgres")
    upgrade(engine)
    yield engine, proxy
    engine.dispose()


def stored(sessions: sessionmaker[Session]) -> list[Interaction]:
    with sessions() as session:
        return list(find_interactions(session, limit=10_000))[::-1]


def sent(bus: Bus) -> list[Interaction]:
    got: list[Interaction] = []
    after = "0-0"
    while messages := bus.read(after=after, count=1000):
        got += [message.interaction for message in messages]
        after = messages[-1].id
    return got


def test_slow_sinks_do_not_slow_the_outbox(
    outbox: Outbox,
    postgres: tuple[Engine, ToxicProxy],
    redis_server: RedisServer,
    make_proxy: Any,
) -> None:
    engine, slow_database = postgres
    slow_redis = make_proxy(("127.0.0.1", redis_server.port))
    bus = Bus(f"redis://127.0.0.1:{slow_redis.port}/0")
    slow_database.delay = slow_redis.delay = 0.5
    with Relay(outbox, [DatabaseSink(make_sessions(engine)), RedisSink(bus)]) as relay:
        for start in range(0, len(EVENTS), 10):
            outbox.append(EVENTS[start : start + 10])
        assert all(state.waiting for state in relay.backlog().values())  # nobody waited for them
        assert relay.flush(timeout=120)
    assert stored(make_sessions(engine)) == EVENTS
    assert sent(Bus(redis_server.url)) == EVENTS


def test_connections_that_break_in_the_middle_lose_and_double_nothing(
    outbox: Outbox,
    postgres: tuple[Engine, ToxicProxy],
    redis_server: RedisServer,
    make_proxy: Any,
) -> None:
    engine, database = postgres
    redis = make_proxy(("127.0.0.1", redis_server.port))
    bus = Bus(f"redis://127.0.0.1:{redis.port}/0")
    with Relay(outbox, [DatabaseSink(make_sessions(engine)), RedisSink(bus)]) as relay:
        for start in range(0, len(EVENTS), 100):
            outbox.append(EVENTS[start : start + 100])
            if start % 300 == 0:
                database.cut()
                redis.cut()
        assert relay.flush(timeout=120)
    assert stored(make_sessions(engine)) == EVENTS
    assert sent(Bus(redis_server.url)) == EVENTS


def test_a_server_that_says_nothing_is_given_up_and_tried_again(
    outbox: Outbox, redis_server: RedisServer, make_proxy: Any
) -> None:
    proxy = make_proxy(("127.0.0.1", redis_server.port))
    bus = Bus(f"redis://127.0.0.1:{proxy.port}/0")
    with Relay(outbox, [RedisSink(bus)]) as relay:
        proxy.silent = True
        outbox.append(EVENTS[:50])
        assert not relay.flush(timeout=12)
        (state,) = relay.backlog().values()
        assert "Timeout" in str(state.error)
        proxy.silent = False
        assert relay.flush(timeout=60)
    assert sent(Bus(redis_server.url)) == EVENTS[:50]


def test_a_database_that_is_read_only_after_a_failover(
    outbox: Outbox, postgres: tuple[Engine, ToxicProxy]
) -> None:
    engine, _ = postgres
    sessions = make_sessions(engine)

    def read_only(on: bool) -> None:
        with engine.begin() as connection:
            connection.execute(text("SET default_transaction_read_only = off"))
            connection.execute(text("SET TRANSACTION READ WRITE"))
            state = "on" if on else "off"
            statement = f"ALTER DATABASE postgres SET default_transaction_read_only = {state}"
            connection.execute(text(statement))
        engine.dispose()  # the setting is of new connections

    read_only(True)
    try:
        with Relay(outbox, [DatabaseSink(sessions)]) as relay:
            outbox.append(EVENTS[:100])
            assert not relay.flush(timeout=1)
            (state,) = relay.backlog().values()
            assert "read-only transaction" in str(state.error)
            assert (state.waiting, state.refused) == (100, 0)
            read_only(False)
            assert relay.flush(timeout=60)
    finally:
        read_only(False)
    assert stored(sessions) == EVENTS[:100]


def test_a_full_disk_of_the_database(outbox: Outbox, database: str) -> None:
    engine, quota = make_engine(database), [40]

    @event.listens_for(engine, "begin")
    def limit(connection: Any) -> None:
        connection.exec_driver_sql(f"PRAGMA max_page_count = {quota[0]}")

    sessions = make_sessions(engine)
    with Relay(outbox, [DatabaseSink(sessions)]) as relay:
        for start in range(0, 1000, 50):
            outbox.append(EVENTS[start : start + 50])
        assert not relay.flush(timeout=1)
        (state,) = relay.backlog().values()
        assert "database or disk is full" in str(state.error)
        assert state.refused == 0
        quota[0] = 1_000_000
        assert relay.flush(timeout=60)
    assert stored(sessions) == EVENTS[:1000]
    engine.dispose()


def test_a_full_disk_of_the_outbox_is_an_error_and_takes_half_of_nothing(
    outbox: Outbox, sessions: sessionmaker[Session]
) -> None:
    outbox._connection.execute("PRAGMA max_page_count = 40")
    taken = 0
    with pytest.raises(StorageError, match="database or disk is full"):
        for start in range(0, len(EVENTS), 20):
            outbox.append(EVENTS[start : start + 20])
            taken = start + 20
    assert 0 < taken == outbox.last
    outbox._connection.execute("PRAGMA max_page_count = 1000000")
    outbox.append(EVENTS[taken:])
    with Relay(outbox, [DatabaseSink(sessions)]) as relay:
        assert relay.flush(timeout=60)
    assert stored(sessions) == EVENTS
