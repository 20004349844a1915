"""Things that no detector was taught are asked for by other words: what is meant is shown."""

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy.orm import Session, sessionmaker

from storage.ask import Answer, OpenVerbs, answer, understand, understand_stored
from storage.nouns import classes_like, is_thing
from storage.repository import add_interactions
from storage.wordnet import write_nouns
from storage.words import BASE_OBJECTS
from tests.test_interactions import NOON, make_interaction
from tests.test_open_verbs import Spoken

SEEN = ("box", "car", "truck", "suitcase", "chair", "cup")
WORLD = ("ball", "bottle", "box", "backpack", "suitcase", "chair", "bench", "bicycle", "laptop")


@pytest.mark.parametrize(
    ("word", "classes", "wanted"),
    [
        ("vehicle", SEEN, ("car", "truck")),
        ("vehicles", SEEN, ("car", "truck")),
        ("furniture", WORLD, ("bench", "chair")),
        ("tool", ("knife", "scissors", "cup"), ("knife", "scissors")),
        ("animal", ("dog", "cat", "cup"), ("cat", "dog")),
        ("armchair", WORLD, ("chair",)),
        ("lorry", SEEN, ("truck",)),
        ("puppy", ("cat", "dog"), ("dog",)),
        ("briefcase", WORLD, ("suitcase",)),
        ("football", ("sports ball", "cup"), ("sports ball",)),
        ("fruit", BASE_OBJECTS, ("apple", "banana", "orange")),
        ("vegetables", BASE_OBJECTS, ("broccoli", "carrot")),
    ],
)
def test_a_thing_is_all_classes_that_are_such_or_the_one_it_is_most_like(
    word: str, classes: tuple[str, ...], wanted: tuple[str, ...]
) -> None:
    found = classes_like(word, classes)
    assert found is not None
    assert found.names == wanted


@pytest.mark.parametrize("word", ["room", "bathroom", "factory", "rodent", "wall"])
def test_a_class_is_what_detectors_were_taught_and_not_what_a_word_means_first(word: str) -> None:
    assert classes_like(word, BASE_OBJECTS) is None  # not toilet, potted plant, mouse


@pytest.mark.parametrize("word", ["hammer", "guitar", "ladder", "door", "artifact"])
def test_what_is_like_nothing_is_taken_for_nothing(word: str) -> None:
    assert is_thing(word)
    assert classes_like(word, WORLD) is None
    assert classes_like(word, ()) is None


def test_what_is_no_thing_is_not_looked_up() -> None:
    for word in ("flurb", "quickly", "", "x" * 1000, "誰", "NaN", "who"):
        assert not is_thing(word)
        assert classes_like(word, WORLD) is None


@pytest.fixture
def stored(sessions: sessionmaker[Session]) -> sessionmaker[Session]:
    events = [make_interaction(n, verb="hold", object_class=thing) for n, thing in enumerate(SEEN)]
    with sessions.begin() as session:
        add_interactions(session, interactions=events)
    return sessions


def ask(sessions: sessionmaker[Session], question: str, known: OpenVerbs | None = None) -> Answer:
    with sessions() as session:
        asked = understand_stored(
            session, question, now=datetime.now(UTC).replace(year=NOON.year + 1), open_verbs=known
        )
        return answer(session, asked, open_verbs=known)


@pytest.mark.parametrize(
    ("question", "things", "understood"),
    [
        ("who held the vehicle", {"car", "truck"}, "vehicle: car or truck (kinds of it)"),
        ("who held a briefcase", {"suitcase"}, "briefcase: suitcase (the nearest)"),
        ("who held a mug", {"cup"}, "mug: cup"),
        ("did anyone hold the stool", {"chair"}, "stool: chair (the nearest)"),
        ("who held the tool box", {"box"}, "box"),
    ],
)
def test_the_answer_is_of_these_classes_and_says_so(
    stored: sessionmaker[Session], question: str, things: set[str], understood: str
) -> None:
    told = ask(stored, question)
    assert told.answerable
    assert {row.interaction.object_class for row in told.rows} == things
    assert understood in map(str, told.understood)


def test_where_any_verb_can_be_asked_things_need_no_article_and_verbs_stay_verbs(
    stored: sessionmaker[Session],
) -> None:
    known = OpenVerbs(Spoken())
    told = ask(stored, "who held furniture", known)
    assert {row.interaction.object_class for row in told.rows} == {"chair"}
    told = ask(stored, "who hammered a chair", known)
    assert "hammered: hammer, asked of stored vectors" in map(str, told.understood)
    told = ask(stored, "who leaned on the sofa", known)
    assert "leaned on: lean on, asked of stored vectors" in map(str, told.understood)


def test_what_is_not_there_is_told_apart_from_what_is_no_word(
    stored: sessionmaker[Session],
) -> None:
    told = ask(stored, "who held the guitar")
    assert (told.rows, told.answerable, told.absent) == ((), False, ("guitar",))
    assert told.summary == "no such thing here: guitar"
    told = ask(stored, "who held the flurb or the guitar")
    assert told.summary == "not understood: flurb; no such thing here: guitar"


def test_what_is_stored_comes_before_what_could_be() -> None:
    def things(*seen: str) -> tuple[str, ...]:
        return understand("who held a stool", verbs=(), objects=seen, cameras=()).clause.objects

    assert things("bench", "cup") == ("bench",)
    assert things("cup") == ("chair",)  # of the classes that everybody knows


def test_the_lexicon_is_made_of_wordnet_s_files(tmp_path: Path) -> None:
    """A bit of them, in their format."""
    (tmp_path / "data.noun").write_text(
        "  1 licence\n"
        "00000001 03 n 01 thing 0 001 ~ 00000002 n 0000 | what there is\n"
        "00000002 06 n 02 tool 0 Toolus 0 001 @ 00000001 n 0000 | to work with\n"
        "00000003 06 n 01 tack_hammer 0 001 @ 00000002 n 0000 | a small one\n"
        "00000004 04 n 01 work 0 001 @ 00000001 n 0000 | no thing\n"
    )
    (tmp_path / "index.noun").write_text(
        "  1 licence\n"
        "tack_hammer n 1 1 @ 1 0 00000003\n"
        "thing n 1 1 ~ 1 0 00000001\n"
        "tool n 2 2 @ ~ 2 0 00000004 00000002\n"
    )
    out = tmp_path / "nouns.tsv.gz"
    write_nouns(tmp_path, out)
    assert gzip.decompress(out.read_bytes()).decode().splitlines() == [
        "thing:0\t\t3",
        "tool:0\t0\t2",
        "tack hammer:0\t1\t1",
    ]
