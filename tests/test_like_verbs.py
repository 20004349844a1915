"""Verbs in users' own words: which of the vocabulary they mean, and which mean none."""

import gzip
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.definitions import genera
from storage.grammar import understand
from storage.question import AskError, Question
from storage.verbs import verbs_like
from storage.wordnet import write_verbs
from storage.words import BASE_OBJECTS, BASE_VERBS

SEEN = ("box", "cup", "ball", "phone", "bicycle", "bench", "book", "laptop")
OTHERS = """
    juggle lean paint spin stir cook fill break repair fix hide wave shake stroke pet feed buy sell
    count weigh jump dance sleep write sing smoke stack load pack peel tie measure tear fold wrap
    smell water insert turn rotate scratch kiss follow walk run unlock lock record reach
"""


def ask(question: str, *verbs: str, open_verbs: bool = False) -> Question:
    return understand(question, verbs=verbs, objects=SEEN, cameras=(), open_verbs=open_verbs)


@pytest.mark.parametrize(
    ("question", "verbs"),
    [
        ("who hurled the ball", {"throw"}),
        ("who flung a box", {"throw"}),
        ("was the ball tossed", {"throw"}),
        ("who tugged a box", {"pull"}),
        ("did anyone shove the bicycle", {"push"}),
        ("who sipped from the cup", {"drink with"}),
        ("who was gulping a cup", {"drink with"}),
        ("who slurped from the cup", {"drink with"}),
        ("who has the box", {"hold", "carry"}),
        ("has anyone had the box", {"hold", "carry"}),
        ("who had the red box last", {"hold", "carry"}),
        ("who set down the box", {"put down"}),
        ("who set the big box down", {"put down"}),
        ("who placed a cup", {"put down"}),
        ("who laid the book down", {"put down"}),
        ("who lifted the box up", {"pick up"}),
        ("who snatched the phone", {"pick up"}),
        ("who stole the bicycle", {"pick up"}),
        ("who clutched the box", {"hold"}),
        ("who lugs a box", {"carry"}),
        ("who brought the box", {"carry"}),
        ("who booted the ball", {"kick"}),
        ("who struck the ball", {"hit"}),
        ("who shut the laptop", {"close"}),
        ("who gazed at a book", {"look at"}),
        ("who watched the ball", {"look at"}),
        ("who phones", {"talk on"}),
        ("who spoke on the phone", {"talk on"}),
        ("who perched on the bench", {"sit on"}),
        ("who embraced the box", {"hug"}),
        ("who devoured the book", {"eat"}),
        ("who grabbed or hurled the ball", {"pick up", "throw"}),
        ("who had the box", {"hold", "carry"}),
        ("did anyone open up the box", {"open"}),
        ("has anybody been drinking from the cup", {"drink with"}),
        ("has anybody been sitting on a bench", {"sit on"}),
        ("have they been sitting", {"sit on", "sit at"}),
        ("have they been shoving a box", {"push"}),
    ],
)
def test_verbs_in_other_words_are_those_of_the_vocabulary(question: str, verbs: set[str]) -> None:
    asked = ask(question)
    assert set(asked.clause.verbs) == verbs
    assert asked.answerable, asked.not_understood


HICO = """
    direct exit grind lift make move pay point release serve squeeze stick turn zip chase
"""


@pytest.mark.parametrize(
    "verb",
    """
    arrive at/tap/hack/bore/chatter/crack/pop/row/shoulder/cruise/coach/draw in/arrest/plug/plug in
    ram/clench/whisk/lock in/nuzzle/pinch/intercept
    get to/drain/exhaust/consume/deposit/pat/chew/straighten/hurry/steer/send/trail/prevent
    """.replace("\n", "/").split("/"),
)
def test_what_means_another_thing_half_of_the_time_is_none(verb: str) -> None:
    assert verbs_like(verb.strip(), (*BASE_VERBS, *HICO.split())) is None


@pytest.mark.parametrize(
    ("question", "foreign", "phrase"),
    [
        ("who arrived at the bench", ("arrived",), "arrive at"),
        ("who tapped the phone", ("tapped",), "tap"),
        ("who plugged the phone in", ("plugged",), "plug"),
        ("who shouldered the box", ("shouldered",), "shoulder"),
        ("did anyone steer the bicycle", ("steer",), "steer"),
        ("who mounted the bicycle", ("mounted",), "mount"),
        ("who set up the chair", ("set", "up"), "set up"),
        ("who wrapped a box", ("wrapped",), "wrap"),
        ("who worked on the laptop", ("worked",), "work on"),
    ],
)
def test_other_verbs_are_not_understood_or_asked_of_stored_vectors(
    question: str, foreign: tuple[str, ...], phrase: str
) -> None:
    plain, vectors = understand_both(question)
    assert (plain.clause.verbs, plain.not_understood) == ((), foreign)
    assert (vectors.clause.verbs, vectors.clause.phrases) == ((), (phrase,))
    assert len(plain.clause.objects) == 1  # no "cow" for to steer


def understand_both(question: str) -> tuple[Question, Question]:
    objects = (*SEEN, *BASE_OBJECTS)
    one, other = (
        understand(question, verbs=(), objects=objects, cameras=(), open_verbs=opens)
        for opens in (False, True)
    )
    return one, other


def test_things_need_no_article_without_vectors() -> None:
    plain, _ = understand_both("who held mugs")
    assert (plain.clause.verbs, plain.clause.objects) == (("hold",), ("cup",))


@pytest.mark.parametrize("verb", OTHERS.split())
def test_what_is_no_way_of_doing_any_is_none(verb: str) -> None:
    assert verbs_like(verb, BASE_VERBS) is None


def test_the_answer_says_what_was_made_of_the_word() -> None:
    def told(question: str) -> list[str]:
        return [str(span) for span in ask(question).understood]

    assert "hurled: throw (the nearest)" in told("who hurled a ball")
    assert "set down: put down" in told("who set the box down")  # the very same
    assert "grips: hold (the nearest)" in told("who grips the cup")


@pytest.mark.parametrize(
    ("question", "verb", "foreign"),
    [
        ("who spoke to the ball", "", ("spoke",)),  # not on a phone
        ("who took off the box", "", ("took", "off")),
        ("who plugged in the laptop", "", ("plugged",)),  # "to plug" is to close
        ("who hammered the box", "", ("hammered",)),
        ("which boxes were moved", "", ("moved",)),
        ("the ball that was watched", "look at", ()),
        ("who picked up the ball that spins", "pick up", ("spins",)),
        ("bicycles that were left behind", "put down", ()),  # who bicycles, rides
    ],
)
def test_other_verbs_and_things_are_not_taken_for_it(
    question: str, verb: str, foreign: tuple[str, ...]
) -> None:
    asked = ask(question)
    assert asked.clause.verbs == ((verb,) if verb else ())
    assert asked.not_understood == foreign


def test_a_verb_without_synonym_is_asked_of_stored_vectors() -> None:
    assert ask("who juggled the ball", open_verbs=True).clause.phrases == ("juggle",)
    hurled = ask("who hurled the ball", open_verbs=True).clause
    assert (hurled.verbs, hurled.phrases) == (("throw",), ())


def test_a_verb_of_the_vocabulary_is_itself() -> None:
    assert ask("who lifted the box").clause.verbs == ("pick up",)
    assert ask("who lifted the box", "lift").clause.verbs == ("lift",)
    assert ask("who lobbed the ball", "lob").clause.verbs == ("lob",)
    sliced = verbs_like("slice", ("cut", "cut with"))
    assert sliced is not None
    assert sliced.names == ("cut",)


@given(
    st.text(max_size=30) | st.sampled_from(BASE_VERBS),
    st.lists(st.text(max_size=12).filter(str.strip), max_size=4),
)
def test_any_word_is_a_verb_or_none(word: str, verbs: list[str]) -> None:
    found = verbs_like(word, verbs)
    assert found is None or set(found.names) <= set(verbs)
    try:
        asked = ask(f"who {word} the box", *verbs)
    except AskError:
        return
    assert set(asked.clause.verbs) <= {*verbs, *BASE_VERBS}


@pytest.mark.parametrize(
    ("definition", "begins"),
    [
        ('throw forcefully; "hurl a ball"', {"throw"}),
        ("hold fast or firmly", {"hold"}),
        ("cut into pieces", {"cut", "cut into"}),
        ("take hold of; grab", {"take hold", "grab"}),
        ("pull, or move with a sudden movement", {"pull", "move"}),
        ("ride (a vehicle) slowly", {"ride"}),
        ("ride a bicycle", {"~ride"}),
        ("throw, catch, and keep in the air", set()),
        ("hit something so that it bounces", set()),
        ("cut the surface of", set()),
        ("with no verb", set()),
        ("", set()),
    ],
)
def test_what_a_definition_begins_with(definition: str, begins: set[str]) -> None:
    verbs = {"throw", "hold", "hold fast", "cut", "cut into", "take hold of", "take hold", "grab"}
    assert genera(definition, verbs | {"pull", "move", "ride", "catch", "keep", "hit"}) == begins


def test_the_lexicon_is_made_of_wordnet_s_files(tmp_path: Path) -> None:
    """A bit of them, in their format."""
    (tmp_path / "data.verb").write_text(
        "  1 licence\n"
        "00000001 35 v 01 throw 0 001 @ 00000004 v 0000 02 + 08 00 + 21 00 | propel, as a ball\n"
        '00000002 35 v 02 hurl 0 hurl_off a 001 @ 00000001 v 0000 01 + 08 00 | throw hard; "x"\n'
        "00000003 43 v 01 rain 0 000 01 + 03 00 | it is not done by anybody\n"
        "00000004 38 v 01 propel 0 000 01 + 11 00 | by a thing, but what throw is a kind of\n"
    )
    (tmp_path / "cntlist.rev").write_text("hurl%2:35:00:: 1 9\nhurl_off%2:35:10:: 1 2\n")
    out = tmp_path / "verbs.tsv.gz"
    write_verbs(tmp_path, out)
    assert gzip.decompress(out.read_bytes()).decode().splitlines() == [
        "throw:0\t2\t2\tpropel\t35",
        "hurl:9,hurl off:2\t0\t1\tthrow\t35",
        "\t\t3\t\t38",
    ]
