"""English as far as questions need it: base forms, plurals, and what a word can mean here."""

import re
from collections.abc import Collection

_IRREGULAR = {
    form: base
    for base, forms in {
        "bite": "bit bitten",
        "blow": "blew blown",
        "break": "broke broken",
        "bring": "brought",
        "buy": "bought",
        "catch": "caught",
        "draw": "drew drawn",
        "drink": "drank drunk",
        "drive": "drove driven",
        "eat": "ate eaten",
        "feed": "fed",
        "fly": "flew flown flies",
        "get": "got gotten",
        "give": "gave given",
        "have": "had has having",
        "hold": "held",
        "leave": "left",
        "lie": "lay lain lying",
        "light": "lit",
        "lose": "lost",
        "make": "made",
        "pay": "paid",
        "ride": "rode ridden",
        "run": "ran",
        "shear": "shorn",
        "sit": "sat",
        "slide": "slid",
        "smell": "smelt",
        "spin": "spun",
        "stand": "stood",
        "steal": "stole stolen",
        "stick": "stuck",
        "swing": "swung",
        "take": "took taken",
        "teach": "taught",
        "tie": "tying",
        "throw": "threw thrown",
        "wear": "wore worn",
        "write": "wrote written",
    }.items()
    for form in forms.split()
}
_PLURALS = {"people": "person", "knives": "knife", "mice": "mouse", "skis": "skis"}

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
VERB_SYNONYMS = {
    "collect": ("pick up",),
    "drink": ("drink with", "drink"),
    "drop": ("put down",),
    "grab": ("pick up",),
    "have": ("hold", "carry"),
    "lay": ("put down", "lie on"),
    "lift": ("lift", "pick up"),
    "phone": ("talk on",),
    "place": ("put down",),
    "steal": ("pick up",),
    "take": ("pick up",),
    "toss": ("throw",),
    "watch": ("watch", "look at"),
}
OBJECT_SYNONYMS = {
    "bag": ("backpack", "handbag", "suitcase", "bag"),
    "bike": ("bicycle",),
    "computer": ("laptop",),
    "fridge": ("refrigerator",),
    "mobile": ("cell phone",),
    "motorbike": ("motorcycle",),
    "mug": ("cup",),
    "notebook": ("laptop",),
    "plane": ("airplane",),
    "plant": ("potted plant",),
    "rucksack": ("backpack",),
    "smartphone": ("cell phone",),
    "sofa": ("couch",),
    "table": ("dining table", "table"),
    "television": ("tv",),
}


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


ANY_VERB = _set("do did does done doing happen interact touch use go")
PEOPLE = _set(
    "anybody anyone everybody everyone guy he her him man men nobody people person persons she"
    " somebody someone them they woman women"
)
DETERMINERS = _set("a an any his her its my some that the their these this those")
PARTICLES = _set("up down off away out over")
PREPOSITIONS = _set("at by camera cameras from in inside near of on to with")
FILLERS = _set(
    "all am and anything are be been being can could each ever event events find give has how i"
    " interaction interactions is it item items list many may me much object objects"
    " often or please show something tell there thing things time times us was"
    " we were will would you"
)
# They turn a question round or order it: leaving one out would answer another question.
OPERATORS = _set(
    "after again before else except fewer first least less longest more most never no not nothing"
    " only since than then until while without"
)


def tokens_of(text: str) -> list[str]:
    """Lower-case words; `camera:0:1` and `don't` are one word each, `who's` is `who`."""
    return re.findall(r"\w+(?:[:'’.-]+\w+)*", re.sub(r"['’]s\b", "", text.lower()))


def base_forms(word: str) -> set[str]:
    """What the word may be an inflection of; some are no words, a vocabulary will tell."""
    forms = {word}
    if word in _IRREGULAR:
        forms.add(_IRREGULAR[word])
    for ending in ("ed", "ing", "es", "s"):
        stem = word.removesuffix(ending)
        if stem == word or len(stem) < 2:
            continue
        forms |= {stem, stem + "e"} if ending != "s" else {stem}
        if ending in ("ed", "ing") and stem[-1] == stem[-2]:
            forms.add(stem[:-1])  # grabbed, sitting
        if ending in ("ed", "es") and stem[-1] == "i":
            forms.add(stem[:-1] + "y")  # carried, carries
    return forms


def singulars(word: str) -> set[str]:
    """What the word may be the plural of, itself included."""
    forms = {word}
    if word in _PLURALS:
        forms.add(_PLURALS[word])
    if word.endswith("s") and not word.endswith("ss"):
        forms.add(word[:-1])
        if word.endswith("es"):
            forms.add(word[:-2])
        if word.endswith("ies"):
            forms.add(word[:-3] + "y")
        if word.endswith("ves"):
            forms.add(word[:-3] + "f")
    return forms


def named(words: list[str], phrase: str, forms: Collection[str]) -> bool:
    """Do these words say the phrase, its last word in one of the forms?"""
    parts = phrase.split()
    return words[:-1] == parts[:-1] and parts[-1] in forms
