"""Whatever is asked: a clear answer or a refusal in one line, and the database as it was."""

import random
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from storage.ask import AskError, OpenVerbs, answer, understand_stored
from storage.repository import add_interactions
from storage.track_rows import add_pair_vectors
from tests.test_interactions import make_interaction
from tests.test_open_verbs import VECTORS, Spoken

NOW = datetime(2026, 5, 1, 13, 0, tzinfo=UTC)
ZONE = ZoneInfo("Europe/Berlin")
_WORDS = """
    who whom what which where when how many often times did does was were is has a an the his some
    picked up put down held carry sat on kicked drinking handed over left behind without with
    then and but or not never didn't before after while within between since until at last first
    longest today yesterday monday night this morning 3 5 pm am 17:05 25:99 2026-11-20 9999-12-31
    november 31 seconds minutes 9999 weeks noon person people someone else another it them same
    box cups bottle red blue shirt in wearing gate camera 2 gate:0:3 a:99:99999999999999999999 ,
"""
GRAMMAR = tuple(_WORDS.split())
NASTY = (
    *("", " ", "\0", "\x1b[31m", "'; DROP TABLE interactions; --", '" OR 1=1 --', "%s %n {0}"),
    *(
        "😀🎉",
        "誰が箱を取ったか",
        "кто взял коробку",
        "مَن أخذ الصندوق",
        "İıſß",
        "\u202e\u200d",
        "\ud800",
    ),
    *("x" * 10_000, "who " * 2_500, "²³¹ ٣ ५", "<script>alert(1)</script>", "../../etc/passwd"),
    *("${jndi:ldap://a}", "\\", "who\nheld\r\nwhat", "NaN inf -1 1e309", "a:0:0", "::::"),
)


def questions(number: int) -> Iterator[str]:
    """Sentences of the grammar's words, of nasty ones, and of both."""
    dice = random.Random(6)
    for n in range(number):
        words = dice.choices(GRAMMAR, k=dice.randrange(1, 25))
        if n % 3 == 0:
            words.insert(dice.randrange(len(words) + 1), dice.choice(NASTY))
        if n % 7 == 0:
            size = dice.randrange(1, 60)
            words = ["".join(chr(dice.randrange(0xD800)) for _ in range(size))]
        yield dice.choice(NASTY) if n % 50 == 0 else " ".join(words)


def check(session: Session, question: str) -> None:
    """With stored vectors that can be asked and without."""
    for known in (None, OpenVerbs(Spoken())):
        check_knowing(session, question, known)


def check_knowing(session: Session, question: str, known: OpenVerbs | None) -> None:
    refusal = ""
    try:
        asked = understand_stored(session, question, now=NOW, zone=ZONE, open_verbs=known)
    except AskError as error:
        refusal = str(error)
    if refusal:
        assert "\n" not in refusal
        assert len(refusal) < 5_000
        return
    found = answer(session, asked, open_verbs=known)
    assert found.summary
    assert asked.answerable or (asked.not_understood and not found.rows)
    for span in asked.understood:
        assert 0 <= span.start < span.end <= len(question)


@pytest.fixture
def session(sessions: sessionmaker[Session]) -> Iterator[Session]:
    with sessions.begin() as one:
        told = [
            make_interaction(n, verb=verb, object_class=thing)
            for n, (verb, thing) in enumerate(
                [("pick up", "box"), ("hold", "cup"), ("put down", "bottle"), ("carry", "box")]
            )
        ]
        add_interactions(one, interactions=told)
        add_pair_vectors(one, vectors=VECTORS)
    with sessions() as one:
        yield one
        assert one.execute(text("SELECT count(*) FROM interactions")).scalar_one() == 4


def test_a_thousand_questions(session: Session) -> None:
    for question in questions(1_000):
        check(session, question)


@pytest.mark.slow
def test_ten_thousand_questions_in_a_minute(session: Session) -> None:
    """Of processor time, each asked twice."""
    began = time.process_time()
    for question in questions(10_000):
        check(session, question)
    assert time.process_time() - began < 60


@given(st.text(max_size=520) | st.lists(st.sampled_from(GRAMMAR), max_size=40).map(" ".join))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text(session: Session, question: str) -> None:
    check(session, question)
