"""English as far as questions need it: base forms, plurals, and words with a part to play."""

import re
from dataclasses import dataclass
from functools import lru_cache

_LONGEST_WORD = 40  # letters; what is longer is no inflection of anything

# Not in every vocabulary, yet words a question may use: they find nothing, or what is stored.
BASE_VERBS = (
    *("pick up", "put down", "hold", "carry", "throw", "catch", "kick", "hit", "push", "pull"),
    *("sit on", "sit at", "lie on", "stand on", "ride", "drive", "eat", "drink with", "cut"),
    *("read", "wear", "open", "close", "look at", "talk on", "type on", "hug", "wash", "clean"),
)
# The 80 classes of COCO, which most detectors know.
_COCO = (
    "person, bicycle, car, motorcycle, airplane, bus, train, truck, boat, traffic light,"
    "fire hydrant, stop sign, parking meter, bench, bird, cat, dog, horse, sheep, cow,"
    "elephant, bear, zebra, giraffe, backpack, umbrella, handbag, tie, suitcase, frisbee,"
    "skis, snowboard, sports ball, kite, baseball bat, baseball glove, skateboard,"
    "surfboard, tennis racket, bottle, wine glass, cup, fork, knife, spoon, bowl, banana,"
    "apple, sandwich, orange, broccoli, carrot, hot dog, pizza, donut, cake, chair, couch,"
    "potted plant, bed, dining table, toilet, tv, laptop, mouse, remote, keyboard,"
    "cell phone, microwave, oven, toaster, sink, refrigerator, book, clock, vase, scissors,"
    "teddy bear, hair drier, toothbrush"
)
BASE_OBJECTS = tuple(name.strip() for name in _COCO.split(","))


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ANY_VERB = _set("do did does done doing happen interact touch use go")
PEOPLE = _set(
    "anybody anyone everybody everyone guy he her him man men people person persons she"
    " somebody someone them they woman women"
)
SEXES = _set("man men woman women")  # which nothing here can see
PRONOUNS = _set("he her him she them they")
DETERMINERS = _set("a an any his her its my some that the their these this those")
PARTICLES = _set("up down off away out over")
PREPOSITIONS = _set("at by camera cameras for from in inside near of on to with")
AUXILIARIES = _set("am are be been being did do does had has have is was were")
ADPOSITIONS = (PARTICLES | PREPOSITIONS) - {"by", "camera", "cameras", "near"} | _set(
    "above across against along around behind below beneath beside into onto through under"
)  # what can belong to a verb: "lean on", "crawl under"
FILLERS = _set(
    "all am and anything are be been being can could each ever event events find give has how i"
    " interaction interactions is it item items list many may me much object objects"
    " often one or please show something tell there thing things time times us was"
    " we were will would you"
    " about along around away back different floor ground had hands has have moment moments"
    " out piece see seen top"
    " clip clips footage picture pictures recording recordings scene scenes video videos"
)
COLOURS = _set("black blue brown gray green grey orange pink purple red white yellow")
GARMENTS = _set(
    "blouse cap clothes coat dress hat helmet hoodie jacket jeans jumper pants pullover shirt"
    " shorts skirt suit sweater trousers tshirt vest"
)
WORN_ABOVE = _set("blouse coat hoodie jacket jumper pullover shirt sweater tshirt vest")
WORN_BELOW = _set("jeans pants shorts skirt trousers")
# They turn a question round or order it: leaving one out would answer another question.
OPERATORS = _set(
    "after again before besides both but else except fewer first least less longest more most"
    " neither never no nobody none nor not nothing only since than then until while without"
)


@dataclass(frozen=True)
class Token:
    """A word in lower case, and where it stands in the text."""

    word: str
    start: int  # characters
    end: int


def tokens(text: str) -> list[Token]:
    """`camera:0:1` and `don't` are one word each, `who's` is `who`."""
    found = re.finditer(r"\w+(?:[:'’.-]+\w+)*", text)
    return [Token(_plain(one.group()), one.start(), one.end()) for one in found]


def tokens_of(text: str) -> list[str]:
    return [token.word for token in tokens(text)]


def _plain(word: str) -> str:
    return re.sub(r"['’]s$", "", word.lower())


@lru_cache(maxsize=10_000)
def base_forms(word: str) -> frozenset[str]:
    """What the word may be an inflection of, as a verb; itself included."""
    return _lemmas(word, "VERB")


@lru_cache(maxsize=10_000)
def singulars(word: str) -> frozenset[str]:
    """What the word may be the plural of, itself included."""
    return _lemmas(word, "NOUN") | ({"person"} if word == "people" else set())


def _readable(word: str) -> bool:
    return word.isascii() and word.isalpha() and len(word) < _LONGEST_WORD


def _lemmas(word: str, kind: str) -> frozenset[str]:
    if not _readable(word):
        return frozenset((word,))
    from lemminflect import getAllLemmas, getAllLemmasOOV  # reads its tables: 0.2 s

    known = getAllLemmas(word, upos=kind) or getAllLemmasOOV(word, upos=kind)
    return frozenset((word, *known.get(kind, ())))


@lru_cache(maxsize=10_000)
def verb_lemma(word: str, *, inflected: bool = True) -> str | None:
    """The verb that a word of the dictionary is a form of: "saw" of "see", or if it is not
    inflected of itself."""
    if not _readable(word):
        return None
    from lemminflect import getAllLemmas

    lemmas = getAllLemmas(word, upos="VERB").get("VERB", ())
    return min(lemmas, key=lambda lemma: (lemma == word) is inflected, default=None)


@lru_cache(maxsize=10_000)
def is_participle(word: str) -> bool:
    """ "Been", "moved", "put": could "has" stand before it?"""
    if not _readable(word):
        return False
    from lemminflect import getAllLemmas, getInflection

    lemmas = getAllLemmas(word, upos="VERB").get("VERB", ()) or getAllLemmas(word).get("AUX", ())
    return any(word in getInflection(one, tag=tag) for one in lemmas for tag in ("VBN", "VBD"))


def is_adjective(word: str) -> bool:
    return _readable(word) and "ADJ" in _known_lemmas(word)


@lru_cache(maxsize=10_000)
def _known_lemmas(word: str) -> dict[str, tuple[str, ...]]:
    from lemminflect import getAllLemmas

    found: dict[str, tuple[str, ...]] = getAllLemmas(word)
    return found


@lru_cache(maxsize=1_000)
def gerund(phrase: str) -> str:
    """ "pick up" -> "picking up"."""
    from lemminflect import getInflection

    head, *rest = phrase.split()
    return " ".join([next(iter(getInflection(head, tag="VBG")), head), *rest])
