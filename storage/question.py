"""`Question`: what is asked for, in filters, relations and columns; knows no database."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from storage.errors import StorageError


class AskError(StorageError):
    """The question cannot be understood; the message says why."""


class Form(StrEnum):
    """What the answer is."""

    LIST = "list"
    TIMES = "times"  # how often
    PEOPLE = "people"  # how many different ones
    THINGS = "things"
    YES_NO = "yes or no"
    NOBODY = "yes if nobody"


COUNTS = (Form.TIMES, Form.PEOPLE, Form.THINGS)  # of the first or the last there is one


class Order(StrEnum):
    """Which of the moments found."""

    NEWEST = "newest first"
    FIRST = "first"
    LAST = "last"
    LONGEST = "longest"


class Relation(StrEnum):
    """When something else happened, seen from what is asked for."""

    THEN = "then"  # it begins later
    AFTER = "after"  # it began earlier
    WHILE = "while"  # the two overlap
    NEAR = "near"  # earlier, later or meanwhile


class Bound(StrEnum):
    """Must it be the same person, or thing, as in the clause before?"""

    ANY = "any"
    SAME = "same"
    OTHER = "other"


@dataclass(frozen=True)
class Span:
    """Words of the question and what they were taken for; `start` and `end` count characters."""

    start: int
    end: int
    said: str
    meaning: str

    def __str__(self) -> str:
        return self.said if self.said == self.meaning else f"{self.said}: {self.meaning}"


def missing(not_understood: Sequence[str], absent: Collection[str]) -> str:
    """What an answer does not look at, in a line; `absent` are some of those not understood."""
    strange = [word for word in not_understood if word not in absent]
    there = [word for word in not_understood if word in absent]
    told = {"not understood": strange, "no such thing here": there}
    return "; ".join(f"{what}: {', '.join(words)}" for what, words in told.items() if words)


@dataclass(frozen=True)
class Clause:
    """Who did what with what; empty or None where it is left open."""

    verbs: tuple[str, ...] = ()
    objects: tuple[str, ...] = ()
    not_objects: tuple[str, ...] = ()
    human: str | None = None  # track, camera:epoch:n
    person: int | None = None  # "person 3", as in a label
    person_colour: str | None = None  # worn above or below
    upper_colour: str | None = None
    lower_colour: str | None = None
    thing_colour: str | None = None
    person_look: str | None = None  # "in a striped shirt"
    thing_look: str | None = None  # "striped"
    phrases: tuple[str, ...] = ()  # verbs that nobody configured: asked of stored vectors
    contrasts: tuple[str, ...] = ()  # of stored vectors, too: what is more likely is not meant

    @property
    def empty(self) -> bool:
        return self == Clause()

    @property
    def coloured(self) -> bool:
        """Must the colours of tracks be known, or what else they look like?"""
        return bool(self.dressed or self.thing_colour or self.looks)

    @property
    def dressed(self) -> bool:
        """Is it said in which colours they are?"""
        return bool(self.person_colour or self.upper_colour or self.lower_colour)

    @property
    def looks(self) -> bool:
        """Is it said what somebody or something looks like, but for colours?"""
        return bool(self.person_look or self.thing_look)

    @property
    def thing(self) -> "Clause":
        """What is said of the thing alone."""
        return Clause(
            objects=self.objects, thing_colour=self.thing_colour, thing_look=self.thing_look
        )

    def with_thing(self, other: "Clause") -> "Clause":
        """With what is said of the other's thing, in place of its own."""
        thing = other.thing
        return replace(
            self,
            objects=thing.objects,
            thing_colour=thing.thing_colour,
            thing_look=thing.thing_look,
        )

    @property
    def does(self) -> bool:
        """Is it said what they do?"""
        return bool(self.verbs or self.phrases)


@dataclass(frozen=True)
class Step:
    """Something else that must have happened, or (`negated`) must not have."""

    relation: Relation
    clause: Clause
    within: timedelta | None = None  # from the end of the one to the start of the other
    negated: bool = False
    person: Bound = Bound.ANY
    thing: Bound = Bound.ANY
    gone: bool = False  # and the person of the clause before is out of sight by now


@dataclass(frozen=True)
class Exclusion:
    """What goes on there and then is not meant; None is any camera, or an open time."""

    camera: str | None = None
    since: datetime | None = None
    until: datetime | None = None

    def covers(self, camera: str, began: datetime, ended: datetime) -> bool:
        there = self.camera in (None, camera)
        early = self.since is not None and ended < self.since
        late = self.until is not None and began > self.until
        return there and not early and not late


@dataclass(frozen=True)
class Question:
    """`clause` is what the rows are; each step hangs on the clause before it.

    A step behind a negated one hangs on what that one hangs on.
    """

    text: str
    clause: Clause = Clause()
    steps: tuple[Step, ...] = ()
    camera: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    exclusions: tuple[Exclusion, ...] = ()  # of the rows
    asked: tuple[str, ...] = ()  # columns that a wh-word asks for
    form: Form = Form.LIST
    order: Order = Order.NEWEST
    understood: tuple[Span, ...] = ()
    not_understood: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()  # of these what is known to be a thing, like nothing that is seen
    answerable: bool = True  # False: without these words it would be another question

    @property
    def looks(self) -> bool:
        """Does it depend on what somebody or something looks like, but for colours?"""
        return self.clause.looks or any(step.clause.looks for step in self.steps)
