"""Captions for the world's CLIP: regions of a frame, sentences, and which are true of which.

A caption says as much as it likes: "a person riding an object", "a photo of a person in a red shirt
riding a blue bicycle". It is true of every region that shows at least that.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.pairs import gap
from models.world.canvas import COLOURS
from models.world.truth import CLASSES, UNSEEN, VERBS, FrameTruth, Instance

PERSON, THING, PAIR = 0, 1, 2  # kinds of regions; a caption is compared with its own kind alone
ANY = -1  # a caption does not say, a region has none
NOTHING = len(VERBS)  # the verb of a pair that has nothing to do with each other
_HIDDEN = 0.6  # occluded more than this: no region
_NEAR = 1.0  # person heights: further apart, nobody asks
_TOLD = 0.6  # share of the regions that get a caption of their own
_STRANGERS = 4  # pairs a frame that have nothing to do with each other

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]

# How people say it; the first is what the bundle's vocabulary says.
SAID: dict[str, tuple[str, ...]] = {
    "hold": ("holding", "gripping", "clutching"),
    "carry": ("carrying", "transporting", "lugging"),
    "pick up": ("picking up", "lifting", "grabbing", "taking"),
    "drink with": ("drinking with", "drinking from", "sipping from"),
    "read": ("reading", "studying"),
    "sit on": ("sitting on", "seated on", "resting on"),
    "stand on": ("standing on", "standing upon"),
    "ride": ("riding", "travelling on"),
    "push": ("pushing", "shoving"),
    "pull": ("pulling", "dragging", "tugging"),
    "kick": ("kicking", "booting"),
    "throw": ("throwing", "tossing", "hurling"),
    "open": ("opening", "unfolding"),
    "wear": ("wearing", "dressed with"),
    "talk on": ("talking on", "speaking on", "phoning with"),
}
_APART = ("next to", "near", "beside", "ignoring")
_FOREIGN = ("shiny", "old", "slowly", "perhaps", "large")  # words that stay without a meaning
_COLOURS = tuple(COLOURS)


@dataclass(frozen=True, eq=False)
class Regions:
    """R regions of one frame."""

    boxes: Floats  # (R, 4) xyxy, shares of the picture's sides
    facts: Ints  # (R, 5) kind, verbs as bits, class, colour of the thing, colour of the shirt

    def take(self, rows: npt.NDArray[np.generic]) -> "Regions":
        return Regions(self.boxes[rows], self.facts[rows])


@dataclass(frozen=True, eq=False)
class Captions:
    """T sentences with what they say."""

    texts: tuple[str, ...]
    facts: Ints  # (T, 5) kind, verb, class, colour of the thing, colour of the shirt

    def true_of(self, regions: Ints) -> npt.NDArray[np.bool_]:
        """Facts of regions (R, 5) -> (R, T)."""
        kind, verb, *others = self.facts.T
        fits = regions[:, :1] == kind
        fits &= (verb == ANY) | ((regions[:, 1:2] >> np.maximum(verb, 0)) & 1 == 1)
        for column, said in enumerate(others, 2):
            fits &= (said == ANY) | (regions[:, column : column + 1] == said)
        return np.asarray(fits)


def find_regions(
    frame: FrameTruth, size: tuple[int, int], *, without_unseen: bool = True
) -> Regions:
    """People, things and near pairs that can be seen; `size` is the picture's width and height.

    Without unseen pairs, nor the people and things that are in them.
    """
    seen = {i.id: i for i in frame.instances if i.occlusion <= _HIDDEN}
    done = {(p.human, p.object): p.verbs for p in frame.pairs}
    classes = {i.id: i.class_name for i in frame.instances}
    held_out = {
        pair
        for pair, verbs in done.items()
        if without_unseen and any((verb, classes.get(pair[1])) in UNSEEN for verb in verbs)
    }
    busy = {one for pair in held_out for one in pair}  # with what nobody may be told
    rows: list[tuple[Floats, list[int]]] = []
    bits = dict.fromkeys(seen, 0)
    for person in (i for i in seen.values() if i.class_name == "person"):
        for thing in (i for i in seen.values() if i.class_name != "person"):
            pair = person.id, thing.id
            mask = _bits(done.get(pair, ()))
            bits[person.id] |= mask
            bits[thing.id] |= mask
            if pair in held_out or (not mask and apart(person, thing) > _NEAR):
                continue
            facts = [PAIR, mask or 1 << NOTHING, *_looks(thing, person)]
            rows.append((_union(person, thing), facts))
    for one in seen.values():
        if one.id in busy:
            continue
        mask = bits[one.id] or 1 << NOTHING
        person_ = one.class_name == "person"
        looks = [ANY, ANY, _COLOURS.index(one.colour)] if person_ else [*_looks(one), ANY]
        rows.append((_box(one), [PERSON if person_ else THING, mask, *looks]))
    boxes = np.array([box for box, _ in rows], np.float32).reshape(-1, 4)
    scale = np.array([*size, *size], np.float32)
    return Regions(boxes / scale, np.array([facts for _, facts in rows], np.int64).reshape(-1, 5))


def without_some_strangers(regions: Regions, rng: np.random.Generator) -> Regions:
    """At most a few pairs that have nothing to do with each other."""
    kind, verbs = regions.facts[:, 0], regions.facts[:, 1]
    strange = (kind == PAIR) & (verbs == 1 << NOTHING)
    left_out = rng.permutation(np.flatnonzero(strange))[_STRANGERS:]
    keep = np.ones(len(kind), bool)
    keep[left_out] = False
    return regions.take(keep)


def write_captions(regions: Ints, rng: np.random.Generator) -> Captions:
    """Captions for most regions (facts, (R, 5)), and the plain sentence of each verb."""
    told = regions[rng.random(len(regions)) < _TOLD]
    rows = [_fewer_words(facts, rng) for facts in told]
    texts = [_tell(row, rng) for row in rows]
    for kind in (PERSON, THING, PAIR):
        for verb in range(NOTHING + 1):
            rows.append((kind, verb, ANY, ANY, ANY))
            texts.append(plain_sentence(verb))
    unique = {(row[0], text): (text, row) for row, text in zip(rows, texts, strict=True)}
    said, facts = zip(*unique.values(), strict=True)
    return Captions(said, np.array(facts, np.int64))


def plain_sentence(verb: int) -> str:
    """As the bundle's vocabulary says it; `NOTHING` too."""
    phrase = _APART[0] if verb == NOTHING else SAID[VERBS[verb]][0]
    return f"a photo of a person {phrase} an object"


def all_words() -> str:
    """Every word that a caption can have."""
    phrases = [phrase for phrases in SAID.values() for phrase in phrases]
    fixed = "a an photo of in shirt something object ."
    return " ".join([fixed, *phrases, *_APART, *CLASSES, *_COLOURS])


def _fewer_words(facts: Ints, rng: np.random.Generator) -> tuple[int, ...]:
    """What one caption says of a region."""
    kind, mask, thing, colour, shirt = (int(fact) for fact in facts)
    verb = int(rng.choice([v for v in range(NOTHING + 1) if mask >> v & 1]))
    if kind == PAIR:
        return (
            kind,
            verb,
            thing if rng.random() < 0.75 else ANY,
            colour if rng.random() < 0.2 else ANY,
            shirt if rng.random() < 0.2 else ANY,
        )
    if kind == THING:
        return kind, ANY, thing, colour if rng.random() < 0.6 else ANY, ANY
    says_verb = rng.random() < 0.5
    says_shirt = not says_verb or rng.random() < 0.3
    return kind, verb if says_verb else ANY, ANY, ANY, shirt if says_shirt else ANY


def _tell(row: Sequence[int], rng: np.random.Generator) -> str:
    kind, verb, thing, colour, shirt = row
    named = CLASSES[thing] if thing != ANY else "object"
    words = named if colour == ANY else f"{_COLOURS[colour]} {named}"
    if rng.random() < 0.1:
        words = f"{rng.choice(_FOREIGN)} {words}"
    what = "something" if words == "object" and rng.random() < 0.3 else _with_article(words)
    start = "a photo of " if rng.random() < 0.7 else ""
    if kind == THING:
        return start + what
    who = "a person" if shirt == ANY else f"a person in {_with_article(_COLOURS[shirt])} shirt"
    if verb == ANY:
        return start + who
    ways = _APART if verb == NOTHING else SAID[VERBS[verb]]
    way = ways[0] if rng.random() < 0.6 else str(rng.choice(ways))
    return f"{start}{who} {way} {what}"


def _with_article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def _bits(verbs: Sequence[str]) -> int:
    return sum(1 << VERBS.index(verb) for verb in verbs if verb in VERBS)


def _looks(thing: Instance, person: Instance | None = None) -> list[int]:
    looks = [CLASSES.index(thing.class_name), _COLOURS.index(thing.colour)]
    return looks if person is None else [*looks, _COLOURS.index(person.colour)]


def _box(one: Instance) -> Floats:
    return np.array(one.box, np.float32)


def _union(person: Instance, thing: Instance) -> Floats:
    a, b = _box(person), _box(thing)
    return np.concatenate([np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])])


def apart(person: Instance, thing: Instance) -> float:
    """Between their boxes, in person heights."""
    return float(gap(_box(person)[None], _box(thing)[None])[0])
