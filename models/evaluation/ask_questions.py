"""Questions about a diary, with the happenings that answer them: the ask benchmark's generator."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from models.evaluation import ask_words as words
from models.evaluation.diary import Diary, Happening, Test
from models.evaluation.moments import Span, some_span
from models.world.canvas import COLOURS
from models.world.truth import ACTS, PICK_UP, PUT_DOWN, UNSEEN

PLAIN, PARAPHRASE, PAIRS, OPEN = "plain", "paraphrase", "unseen pairs", "open verbs"
ATTRIBUTES, PLACE, ORDER, CUSTODY = "attributes", "place and time", "time logic", "custody"
COUNTS, YES_NO, NO_ANSWER = "counts", "yes or no", "no answer"
SHARES = {
    **{PLAIN: 12, PARAPHRASE: 16, PAIRS: 9, OPEN: 9, ATTRIBUTES: 11, PLACE: 10, ORDER: 11},
    **{CUSTODY: 6, COUNTS: 8, YES_NO: 7, NO_ANSWER: 18},
}
_TRIES = 200  # for one question


@dataclass(frozen=True)
class Asked:
    """A question as a person types it, and what is true about it."""

    text: str
    kind: str
    verb: str  # what a reader without a clue of verbs may not use
    thing: str
    right: tuple[Happening, ...]  # any of them answers it; none: nothing does
    number: int | None = None  # for "how many"
    yes: bool | None = None  # for "did anyone"

    @property
    def clips(self) -> frozenset[int]:
        return frozenset(one.clip for one in self.right)


@dataclass(frozen=True)
class Draft:
    """A question of which the truth is not read yet."""

    text: str
    test: Test
    verb: str
    thing: str
    count: Callable[[Sequence[Happening]], int] | None = None


Drafts = Callable[[], Draft | None]  # another one at every call; None: it came to nothing


class Maker:
    """Draws questions about a diary; the same seed gives the same ones."""

    def __init__(
        self, diary: Diary, *, now: datetime, open_verbs: frozenset[str], seed: int = 1
    ) -> None:
        """`open_verbs`: the program's vocabulary lacks these; asked for in one kind alone."""
        self.diary, self.now, self.rng = diary, now, random.Random(seed)
        self._open_verbs = open_verbs
        self.configured = [one for one in diary.happenings if self.is_configured(one)]
        self.open = diary.where(lambda one: one.seen and one.verb in open_verbs)

    def is_configured(self, one: Happening) -> bool:
        """Could be seen, and the program has the verb."""
        return one.seen and one.verb not in self._open_verbs

    def some(self, kind: str, drafts: Drafts, number: int, taken: set[str]) -> Iterator[Asked]:
        """So many different ones, or as many as there are."""
        tries, made = number * _TRIES, 0
        while made < number and tries:
            tries -= 1
            asked = self._read(kind, drafts())
            if asked is not None and asked.text not in taken:
                taken.add(asked.text)
                made += 1
                yield asked

    def _read(self, kind: str, draft: Draft | None) -> Asked | None:
        """The draft with its truth; None where that is no question of its kind."""
        if draft is None:
            return None
        every = self.diary.where(draft.test)
        right = tuple(one for one in every if one.seen)
        wanted = kind not in (NO_ANSWER, YES_NO) or (kind == YES_NO and self.rng.random() < 0.5)
        if (wanted and not right) or (not wanted and every):
            return None
        number = None if draft.count is None else draft.count(right)
        yes = wanted if kind == YES_NO else None
        return Asked(draft.text, kind, draft.verb, draft.thing, right, number, yes)

    def plain(self, pool: Sequence[Happening], templates: Sequence[str] = words.PLAIN) -> Draft:
        one = self.rng.choice(pool)
        text = self.say(templates, one.verb, self.noun(one.thing_class))
        return Draft(text + self.mark(), done(one.verb, one.thing_class), one.verb, one.thing_class)

    def paraphrase(self) -> Draft:
        """Polite, passive, or in other words for the verb or the thing."""
        one, way = self.rng.choice(self.configured), self.rng.randrange(3)
        name = self.rng.choice(words.THINGS[one.thing_class])
        noun = self.noun(name if self.rng.random() < 0.5 else one.thing_class)
        wording = words.WORDS[one.verb]
        if way == 0:
            text = self.say(words.POLITE, one.verb, noun)
        elif way == 1 and wording.passive:
            text = self.say(words.PASSIVE, one.verb, noun)
        else:
            text = self.rng.choice(words.OTHER).format(
                past=self.rng.choice(wording.other).format(noun)
            )
        return Draft(text + self.mark(), done(one.verb, one.thing_class), one.verb, one.thing_class)

    def attributes(self) -> Draft:
        one = self.rng.choice(self.configured)
        if self.rng.random() < 0.5:
            noun = self.noun(one.thing_class)
            text = self.say(words.DRESSED, one.verb, noun, shirt=self.spelled(one.shirt))
            test = looking(done(one.verb, one.thing_class), shirt=one.shirt)
        else:
            noun = self.noun(f"{self.spelled(one.thing_colour)} {one.thing_class}")
            text = self.say(words.COLOURED, one.verb, noun)
            test = looking(done(one.verb, one.thing_class), thing=one.thing_colour)
        return Draft(text + self.mark(), test, one.verb, one.thing_class)

    def placed(self, templates: Sequence[str] = words.PLAIN) -> Draft:
        """At a camera, in a span of time, or both."""
        one = self.rng.choice(self.configured)
        where, span = self.circumstances(one)
        text = self.say(templates, one.verb, self.noun(one.thing_class))
        test = circumscribed(done(one.verb, one.thing_class), where and one.camera, span)
        return Draft(self.joined(text, where, span), test, one.verb, one.thing_class)

    def counted(self) -> Draft:
        """How often, how many people, how many things; at times with circumstances."""
        one, way = self.rng.choice(self.configured), self.rng.randrange(3)
        where, span = self.circumstances(one) if self.rng.random() < 0.5 else ("", None)
        test = circumscribed(done(one.verb, one.thing_class), where and one.camera, span)
        passive, noun = words.WORDS[one.verb].passive, self.noun(one.thing_class)
        if way == 0 and passive:
            text = passive.format(plural(one.thing_class)).replace(" was ", " were ")
            text, count = f"how many {text}", count_things
        elif way == 1:
            text, count = self.say(words.PEOPLE, one.verb, noun), count_people
        else:
            text, count = self.say(words.TIMES, one.verb, noun), count_times
        return Draft(self.joined(text, where, span), test, one.verb, one.thing_class, count)

    def impossible(self) -> Draft:
        """Right words, but nobody did it, or not there, not then, not dressed like that."""
        thing, way = self.rng.choice(list(words.THINGS)), self.rng.randrange(4)
        if way == 0:
            text = self.rng.choice(words.NEVER).format(self.noun(thing))
            return Draft(text, lambda _: False, "", thing)
        if way == 1:
            verb = self.rng.choice([v for v in words.WORDS if v not in self._open_verbs])
            things = ACTS.get(verb, ACTS["hold"])
            thing = self.rng.choice(things)
            text = self.say(words.PLAIN, verb, self.noun(thing))
            return Draft(text + self.mark(), done(verb, thing), verb, thing)
        return self.elsewhere() if way == 2 else self._otherwise(self.attributes())

    def elsewhere(self, templates: Sequence[str] = words.PLAIN) -> Draft:
        """Something that happened, with the circumstances of something else."""
        one, other = self.rng.choice(self.configured), self.rng.choice(self.configured)
        where, span = self.circumstances(other)
        text = self.say(templates, one.verb, self.noun(one.thing_class))
        test = circumscribed(done(one.verb, one.thing_class), where and other.camera, span)
        return Draft(self.joined(text, where, span), test, one.verb, one.thing_class)

    def _otherwise(self, draft: Draft) -> Draft:
        """In a shirt that nobody wore when they did it."""
        shirt = self.rng.choice(list(COLOURS))
        text = self.say(words.DRESSED, draft.verb, self.noun(draft.thing), shirt=shirt)
        test = looking(done(draft.verb, draft.thing), shirt=shirt)
        return replace(draft, text=text + self.mark(), test=test)

    def say(self, templates: Sequence[str], verb: str, noun: str, **more: str) -> str:
        wording = words.WORDS[verb]
        forms = {name: getattr(wording, name) for name in ("base", "past", "gerund", "passive")}
        said = {name: form.format(noun) for name, form in forms.items() if form}
        fitting = [t for t in templates if "{passive}" not in t or wording.passive]
        return self.rng.choice(fitting).format(**said, **more)

    def noun(self, name: str) -> str:
        article = "an" if name[0] in "aeiou" else "a"
        return f"{article if self.rng.random() < 0.75 else 'the'} {name}"

    def spelled(self, colour: str) -> str:
        return self.rng.choice(("gray", "grey")) if colour == "gray" else colour

    def mark(self) -> str:
        return self.rng.choice(("?", "?", ""))

    def circumstances(self, one: Happening) -> tuple[str, Span | None]:
        """Words for its camera and a span of time around it, or for one of the two."""
        where = self.rng.choice(words.PLACES[one.camera])
        way = self.rng.randrange(3)
        return "" if way == 1 else where, None if way == 0 else some_span(self.rng, one, self.now)

    def joined(self, text: str, where: str, span: Span | None) -> str:
        when = "" if span is None else span.said
        if when and self.rng.random() < 0.25:
            return " ".join(part for part in (f"{when},", text, where) if part) + self.mark()
        parts = [where, when] if self.rng.random() < 0.5 else [when, where]
        return " ".join(part for part in (text, *parts) if part) + self.mark()


def done(verb: str, thing: str) -> Test:
    return lambda h: h.verb == verb and h.thing_class == thing


def looking(test: Test, *, shirt: str = "", thing: str = "") -> Test:
    """In these colours; empty: any."""
    return lambda h: test(h) and shirt in ("", h.shirt) and thing in ("", h.thing_colour)


def count_times(right: Sequence[Happening]) -> int:
    return len(right)


def count_people(right: Sequence[Happening]) -> int:
    return len({h.who for h in right})


def count_things(right: Sequence[Happening]) -> int:
    return len({h.what for h in right})


def circumscribed(test: Test, camera: str, span: Span | None) -> Test:
    """An empty camera is any."""
    return lambda h: (
        test(h)
        and (not camera or h.camera == camera)
        and (span is None or (h.end >= span.since and h.start <= span.until))
    )


def plural(noun: str) -> str:
    return noun + ("es" if noun.endswith(("x", "ch")) else "s")


def is_unseen(one: Happening) -> bool:
    return (one.verb, one.thing_class) in UNSEEN


CUSTODY_VERBS = ("hold", "carry", PICK_UP)
LETTING_GO = PUT_DOWN
