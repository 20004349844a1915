"""How people speak of the world: the wording of the ask benchmark, and of nothing else.

Written apart from the program's own grammar, and never to be copied into it: that is the point.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Wording:
    """One verb; `{}` is the thing with its article."""

    base: str  # did anyone ...
    past: str  # who ...
    gerund: str  # somebody ...
    passive: str | None  # by whom ..., "was" left out
    other: tuple[str, ...]  # past, in other words


WORDS = {
    "hold": Wording(
        *("hold {}", "held {}", "holding {}", "{} was held"),
        ("had {} in their hands", "was clutching {}", "kept hold of {}"),
    ),
    "carry": Wording(
        *("carry {}", "carried {}", "carrying {}", "{} was carried"),
        ("walked around with {}", "was lugging {}", "carried {} around"),
    ),
    "pick up": Wording(
        *("pick up {}", "picked up {}", "picking up {}", "{} was picked up"),
        ("picked {} up", "lifted {}", "grabbed {}", "took {}", "lifted {} up"),
    ),
    "put down": Wording(
        *("put down {}", "put down {}", "putting down {}", "{} was put down"),
        ("put {} down", "set {} down", "laid {} down", "placed {} on the ground"),
    ),
    "drink with": Wording(
        *("drink from {}", "drank from {}", "drinking from {}", None),
        ("sipped from {}", "drank out of {}", "took a drink from {}"),
    ),
    "read": Wording(
        *("read {}", "read {}", "reading {}", "{} was read"),
        ("was busy reading {}", "looked at {}", "was reading on {}"),
    ),
    "sit on": Wording(
        *("sit on {}", "sat on {}", "sitting on {}", "{} was sat on"),
        ("sat down on {}", "was seated on {}", "took a seat on {}"),
    ),
    "stand on": Wording(
        *("stand on {}", "stood on {}", "standing on {}", None),
        ("stood on top of {}", "was standing up on {}", "climbed on {}"),
    ),
    "ride": Wording(
        *("ride {}", "rode {}", "riding {}", "{} was ridden"),
        ("rode around on {}", "went by on {}", "was riding on {}"),
    ),
    "push": Wording(
        *("push {}", "pushed {}", "pushing {}", "{} was pushed"),
        ("shoved {}", "pushed {} along", "gave {} a push"),
    ),
    "pull": Wording(
        *("pull {}", "pulled {}", "pulling {}", "{} was pulled"),
        ("dragged {}", "pulled {} along", "tugged at {}"),
    ),
    "kick": Wording(
        *("kick {}", "kicked {}", "kicking {}", "{} was kicked"),
        ("gave {} a kick", "booted {}", "kicked at {}"),
    ),
    "throw": Wording(
        *("throw {}", "threw {}", "throwing {}", "{} was thrown"),
        ("threw {} away", "tossed {}", "hurled {}", "flung {}"),
    ),
    "open": Wording(
        *("open {}", "opened {}", "opening {}", "{} was opened"),
        ("opened up {}", "had {} open", "unfolded {}"),
    ),
    "wear": Wording(
        *("wear {}", "wore {}", "wearing {}", "{} was worn"),
        ("had {} on", "walked about wearing {}", "had {} on their back"),
    ),
    "talk on": Wording(
        *("talk on {}", "talked on {}", "talking on {}", None),
        ("spoke on {}", "was having a call on {}", "made a call with {}"),
    ),
}

THINGS = {
    "ball": ("ball",),
    "bottle": ("bottle",),
    "cup": ("mug",),
    "box": ("carton",),
    "backpack": ("rucksack",),
    "suitcase": ("case", "piece of luggage"),
    "chair": ("chair",),
    "bench": ("bench",),
    "bicycle": ("bike", "cycle"),
    "skateboard": ("board",),
    "umbrella": ("parasol",),
    "laptop": ("notebook computer", "computer"),
    "book": ("book",),
    "phone": ("mobile", "telephone", "smartphone"),
}

# Nobody in the world ever does these.
NEVER = (
    *("who kissed {}?", "did anyone paint {}?", "who was washing {}?", "who set fire to {}?"),
    *("show me somebody eating {}", "who hugged {}?", "who bit {}?", "who was cleaning {}?"),
    *("did somebody cut {}?", "who repaired {}?"),
)

# The forms of a `Wording`, the thing already in them; `when` and `where` may be put behind.
PLAIN = (
    *("who {past}", "who was {gerund}", "did anyone {base}", "show me people {gerund}"),
    *("when was someone {gerund}", "somebody {gerund}", "where did somebody {base}"),
)
POLITE = (
    *("could you please show me everybody who {past}", "can you tell me who {past}"),
    *("I am looking for a person {gerund}", "I'd like to see the moments of {gerund}"),
    *("please find anybody that {past}", "which people have been {gerund}"),
    *("is there a recording of someone {gerund}", "has anybody been {gerund}"),
    *("a person is {gerund}: when was that", "tell me about somebody {gerund}"),
    *("give me all the times a person {past}", "any footage of somebody {gerund}"),
)
PASSIVE = (
    *("by whom {passive}", "when {passive}", "where {passive}", "who was it that {past}"),
    *("{passive}: who did it", "show me every time {passive}"),
)
OTHER = ("who {past}", "who is the person that {past}", "show me somebody who {past}")
DRESSED = (
    *("who in a {shirt} shirt {past}", "did someone in {shirt} {base}"),
    *("somebody wearing a {shirt} shirt {gerund}", "a person in {shirt} who {past}"),
    *("which person with a {shirt} shirt {past}", "the one in the {shirt} shirt {gerund}"),
)
COLOURED = (
    *("who {past}", "did anybody {base}", "someone {gerund}", "when was somebody {gerund}"),
    "show me who {past}",
)
YES_NO = (
    *("did anyone {base}", "has anybody been {gerund}", "was someone {gerund}"),
    "did somebody {base}",
)
TIMES = ("how many times did people {base}", "how often did anyone {base}")
PEOPLE = ("how many people {past}", "how many different persons {past}")
PLACES = {
    "gate": ("at the gate", "on the gate camera"),
    "lobby": ("in the lobby", "on camera lobby"),
    "yard": ("in the yard", "on the yard camera"),
    "dock": ("at the dock", "seen by the dock camera"),
}
FIRST_LAST = {
    "first": ("who was the first to {base}", "who {past} first", "who {past} the earliest"),
    "last": ("who was the last to {base}", "who {past} last", "the last person who {past}"),
}

# Verbs that no vocabulary has, and what people of the world do when one would say so.
NEW = {
    **{"clutch": "hold", "grip": "hold", "transport": "carry", "lug": "carry", "lift": "pick up"},
    **{"grab": "pick up", "sip from": "drink with", "drink from": "drink with", "study": "read"},
    **{"rest on": "sit on", "stand upon": "stand on", "travel on": "ride", "shove": "push"},
    **{"drag": "pull", "tug": "pull", "boot": "kick", "toss": "throw", "hurl": "throw"},
    **{"unfold": "open", "speak on": "talk on"},
}
