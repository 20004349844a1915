"""Questions about more than one happening: order in time, and who had a thing."""

from collections.abc import Sequence

from models.evaluation import ask_words as words
from models.evaluation.ask_questions import CUSTODY_VERBS, LETTING_GO, Draft, Maker, done
from models.evaluation.diary import Happening, Test
from models.world.truth import PICK_UP

_APART = 3600.0  # seconds: "then" means within an hour
_HANDED = 5.0  # seconds from hands to hands
_CLEAR = 0.6  # seconds: two things that begin closer have no order
_SOON = (5, 10, 20)


class Relations:
    """Drafts with a second clause."""

    def __init__(self, maker: Maker) -> None:
        self._maker, self._diary, self._rng = maker, maker.diary, maker.rng

    def order(self) -> Draft | None:
        ways = (self._then, self._after, self._before, self._while, self._never_after, self._end)
        return self._rng.choice(ways)()

    def custody(self) -> Draft | None:
        return self._rng.choice((self._had_last, self._handed, self._left, self._taken_over))()

    def _two(self, *, overlapping: bool = False) -> tuple[Happening, Happening] | None:
        """Two happenings of one person with different things, the earlier first."""
        first = self._rng.choice(self._maker.configured)
        others = [
            other
            for other in self._diary.of_person(first)
            if self._maker.is_configured(other)
            and other.what != first.what
            and (_meanwhile(first, other) if overlapping else other.start > first.start + _CLEAR)
        ]
        return (first, self._rng.choice(others)) if others else None

    def _then(self) -> Draft | None:
        if (two := self._two()) is None:
            return None
        a, b = two
        link = self._rng.choice(("and then", "then", "and after that"))
        text = f"who {self._form('past', a)} {link} {self._form('past', b)}"
        return self._draft(text, a, self._with(a, self._later(b)))

    def _after(self) -> Draft | None:
        if (two := self._two()) is None:
            return None
        a, b = two
        limit = self._rng.choice((*_SOON, None, None, None))
        when = "after" if limit is None else f"within {limit} seconds after"
        text = f"who {self._form('past', b)} {when} {self._form('gerund', a)}"
        return self._draft(text, b, self._with(b, self._earlier(a, limit or _APART)))

    def _before(self) -> Draft | None:
        if (two := self._two()) is None:
            return None
        a, b = two
        text = f"somebody who {self._form('past', a)} before {self._form('gerund', b)}"
        return self._draft(text, a, self._with(a, self._later(b)))

    def _while(self) -> Draft | None:
        if (two := self._two(overlapping=True)) is None:
            return None
        a, b = two
        known = done(b.verb, b.thing_class)
        text = f"who was {self._form('gerund', a)} while {self._form('gerund', b)}"

        def also(h: Happening) -> bool:
            others = (o for o in self._diary.of_person(h) if o is not h)
            return any(known(o) and _meanwhile(h, o) for o in others)

        return self._draft(text, a, self._with(a, also))

    def _never_after(self) -> Draft | None:
        if (two := self._two()) is None:
            return None
        a, b = two
        known = done(b.verb, b.thing_class)
        text = f"who {self._form('past', a)} but did not {self._form('base', b)} afterwards"

        def never(h: Happening) -> bool:
            return not any(known(o) and o.start > h.start for o in self._diary.of_person(h))

        return self._draft(text, a, self._with(a, never))

    def _end(self) -> Draft | None:
        """The first or the last time."""
        one = self._rng.choice(self._maker.configured)
        every = self._diary.where(done(one.verb, one.thing_class))
        which = self._rng.choice(("first", "last"))
        extreme = every[0] if which == "first" else every[-1]
        if not extreme.seen:
            return None
        noun = self._maker.noun(one.thing_class)
        text = self._maker.say(words.FIRST_LAST[which], one.verb, noun)
        return self._draft(text, one, lambda h: h is extreme)

    def _had_last(self) -> Draft | None:
        one = self._rng.choice(self._held())

        def same(h: Happening) -> bool:
            looks = h.thing_class, h.thing_colour
            return h.verb in CUSTODY_VERBS and looks == (one.thing_class, one.thing_colour)

        last = max(self._diary.where(same), key=lambda h: h.end)
        noun = f"the {self._maker.spelled(one.thing_colour)} {one.thing_class}"
        text = self._rng.choice(("who had {} last", "who was the last to have {}")).format(noun)
        return self._draft(
            text, last, lambda h: same(h) and h.who == last.who and h.what == last.what
        )

    def _handed(self) -> Draft | None:
        one = self._rng.choice(self._held())
        noun = self._maker.noun(one.thing_class)
        text = self._rng.choice(
            (
                *("who handed over {}", "who handed {} over", "who passed {} to somebody else"),
                *("who gave {} to another person", "did anyone hand {} over"),
            )
        ).format(noun)
        return self._draft(
            text, one, lambda h: h.thing_class == one.thing_class and self._goes_on(h)
        )

    def _left(self) -> Draft | None:
        one = self._rng.choice(self._held())
        noun = self._maker.noun(one.thing_class)
        text = self._rng.choice(("who left {} behind", "did somebody leave {} behind")).format(noun)
        let_go = done(LETTING_GO, one.thing_class)

        def left(h: Happening) -> bool:
            later = (o for o in self._diary.with_thing(h) if o.start > h.start)
            return let_go(h) and not any(o.verb in CUSTODY_VERBS for o in later)

        return self._draft(text, one, left)

    def _taken_over(self) -> Draft | None:
        one = self._rng.choice(self._held())
        noun = self._maker.noun(one.thing_class)
        text = f"who picked up {noun} after somebody else put it down"
        known = done(PICK_UP, one.thing_class)

        def taken(h: Happening) -> bool:
            earlier = (o for o in self._diary.with_thing(h) if o.who != h.who and o.start < h.start)
            return known(h) and any(o.verb == LETTING_GO for o in earlier)

        return self._draft(text, one, taken)

    def _held(self) -> Sequence[Happening]:
        return [one for one in self._maker.configured if one.verb in CUSTODY_VERBS]

    def _goes_on(self, h: Happening) -> bool:
        """Does another person have it right after?"""
        return h.verb in CUSTODY_VERBS and any(
            o.verb in CUSTODY_VERBS
            and o.who != h.who
            and o.start > h.start
            and -_CLEAR <= o.start - h.end <= _HANDED
            for o in self._diary.with_thing(h)
        )

    def _with(self, one: Happening, also: Test) -> Test:
        known = done(one.verb, one.thing_class)
        return lambda h: known(h) and also(h)

    def _later(self, b: Happening) -> Test:
        known = done(b.verb, b.thing_class)

        def later(h: Happening) -> bool:
            others = (o for o in self._diary.of_person(h) if o.start - h.start > 0)
            return any(known(o) and o.start - h.end <= _APART for o in others)

        return later

    def _earlier(self, a: Happening, within: float) -> Test:
        known = done(a.verb, a.thing_class)

        def earlier(h: Happening) -> bool:
            others = (o for o in self._diary.of_person(h) if o.start < h.start)
            return any(known(o) and h.start - o.end <= within for o in others)

        return earlier

    def _form(self, form: str, one: Happening) -> str:
        said: str = getattr(words.WORDS[one.verb], form)
        return said.format(self._maker.noun(one.thing_class))

    def _draft(self, text: str, one: Happening, test: Test) -> Draft:
        return Draft(text + self._maker.mark(), test, one.verb, one.thing_class)


def _meanwhile(a: Happening, b: Happening) -> bool:
    return a.start <= b.end and b.start <= a.end
