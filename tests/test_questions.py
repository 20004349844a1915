"""Questions with times, colours, several parts and counts become typed filters."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from storage.ask import understand
from storage.question import AskError, Bound, Clause, Form, Order, Question, Relation

VERBS = ("pick up", "put down", "hold", "carry", "sit on", "kick", "drink with")
OBJECTS = ("box", "cup", "bottle", "backpack", "suitcase", "bench")
NOW = datetime(2026, 11, 24, 14, 0, tzinfo=UTC)  # a Tuesday; 15:00 in Berlin
BERLIN = ZoneInfo("Europe/Berlin")


def ask(question: str, now: datetime = NOW) -> Question:
    return understand(
        question,
        verbs=VERBS,
        objects=OBJECTS,
        cameras=["gate", "2"],
        now=now,
        zone=BERLIN,
    )


def test_a_question_with_everything() -> None:
    text = "did anyone in a red shirt carry a suitcase yesterday after 5 pm at the gate"
    asked = ask(text)
    assert (asked.form, asked.camera, asked.answerable) == (Form.YES_NO, "gate", True)
    assert (asked.clause.verbs, asked.clause.objects) == (("carry",), ("suitcase",))
    assert asked.clause.upper_colour == "red"
    assert asked.since == datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
    assert asked.until is not None
    assert asked.until + timedelta(microseconds=1) == datetime(2026, 11, 23, 23, 0, tzinfo=UTC)
    shown = {text[span.start : span.end]: span.meaning for span in asked.understood}
    assert shown["in a red shirt"] == "person in red"
    assert shown["gate"] == "camera gate"
    assert shown["after 5 pm"].startswith("from 2026-11-23 17:00:00 CET")


@pytest.mark.parametrize(
    ("said", "since", "until"),
    [
        ("today", "2026-11-24T00:00", "2026-11-25T00:00"),
        ("last night", "2026-11-23T18:00", "2026-11-24T06:00"),
        ("this morning", "2026-11-24T00:00", "2026-11-24T12:00"),
        ("yesterday evening", "2026-11-23T18:00", "2026-11-24T00:00"),
        ("on monday", "2026-11-23T00:00", "2026-11-24T00:00"),
        ("last monday", "2026-11-23T00:00", "2026-11-24T00:00"),
        ("on the last tuesday", "2026-11-17T00:00", "2026-11-18T00:00"),
        ("on tuesday", "2026-11-17T00:00", "2026-11-18T00:00"),
        ("on 2026-11-20", "2026-11-20T00:00", "2026-11-21T00:00"),
        ("on 25 october", "2026-10-25T00:00", "2026-10-26T00:00"),  # 25 hours long
        ("on december 24th", "2025-12-24T00:00", "2025-12-25T00:00"),
        ("at 2 pm", "2026-11-24T14:00", "2026-11-24T15:00"),
        ("at 14:05", "2026-11-24T14:05", "2026-11-24T14:06"),
        ("between 1 and 2:30 pm", "2026-11-24T13:00", "2026-11-24T14:30"),
        ("between 11 and 1 pm", "2026-11-24T11:00", "2026-11-24T13:00"),
        ("between 3:30 and 4 pm", "2026-11-23T15:30", "2026-11-23T16:00"),
        ("between 9 and 17:30", "2026-11-24T09:00", "2026-11-24T17:30"),
        ("between 10 and 2 am", "2026-11-23T22:00", "2026-11-24T02:00"),
        ("between 9 and noon", "2026-11-24T09:00", "2026-11-24T12:00"),
        ("between 9 pm and midnight", "2026-11-23T21:00", "2026-11-24T00:00"),
        ("after 10 pm", "2026-11-23T22:00", None),
        ("since yesterday", "2026-11-23T00:00", None),
        ("before noon", None, "2026-11-24T12:00"),
        ("before yesterday", None, "2026-11-23T00:00"),
        ("in the past two hours", "2026-11-24T13:00", None),
    ],
)
def test_times_are_those_of_who_asks(said: str, since: str | None, until: str | None) -> None:
    asked = ask(f"who held a cup {said}")
    assert asked.answerable, asked.not_understood

    def utc(text: str | None) -> datetime | None:
        if text is None:
            return None
        return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)

    assert asked.since == utc(since)
    end = utc(until)
    assert asked.order is Order.NEWEST
    assert end is None or asked.until in (end, end - timedelta(microseconds=1))
    assert (end is None) == (asked.until is None)


@pytest.mark.parametrize(
    ("question", "relation", "negated", "person", "thing", "seconds"),
    [
        ("who picked up a cup and then held a bottle", "then", False, "same", "any", 3600),
        ("who picked up a cup before person 5 held it", "then", False, "any", "same", 3600),
        ("who held a cup within 10 seconds of kicking a box", "near", False, "same", "any", 10),
        ("who held a cup within a minute after sitting on a bench", "after", 0, "same", "any", 60),
        ("who held a cup while someone else kicked a box", "while", False, "other", "any", None),
        ("who sat on a bench without holding a cup", "while", True, "same", "any", None),
        ("who picked up a cup but did not put it down", "then", True, "same", "same", None),
        ("who was holding a cup, not carrying it", "while", True, "same", "same", None),
        ("who picked up a cup then put it down within 5 seconds", "then", 0, "same", "same", 5),
        ("who handed the box to whom", "then", False, "other", "same", 5),
        ("what was left behind", "then", True, "any", "same", None),
    ],
)
def test_parts_hang_together(
    question: str, relation: str, negated: bool, person: str, thing: str, seconds: int | None
) -> None:
    asked = ask(question)
    assert asked.answerable, asked.not_understood
    (step,) = asked.steps
    assert step.relation is Relation(relation)
    assert step.negated == bool(negated)
    assert (step.person, step.thing) == (Bound(person), Bound(thing))
    assert step.within == (None if seconds is None else timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("question", "relation", "had", "other"),
    [
        ("who handed a cup to someone in red", "then", Clause(), Clause(person_colour="red")),
        ("did anyone hand person 3 a cup", "then", Clause(), Clause(person=3)),
        ("who is handing a cup to person 3", "then", Clause(), Clause(person=3)),
        ("who gives person 3 cups", "then", Clause(), Clause(person=3)),
        ("who passes the cup to person 3", "then", Clause(), Clause(person=3)),
        ("who was passed a cup by person 3", "after", Clause(), Clause(person=3)),
        ("who was handed a cup", "after", Clause(), Clause()),
        ("who got handed a cup", "after", Clause(), Clause()),
        ("which cup was handed over by person 3", "then", Clause(person=3), Clause()),
        ("which cup was passed to person 3", "then", Clause(), Clause(person=3)),
        (
            *("who in blue handed a cup to someone in a red shirt", "then"),
            *(Clause(person_colour="blue"), Clause(upper_colour="red")),
        ),
        (
            *("who in blue was given a cup by person 3", "after"),
            *(Clause(person_colour="blue"), Clause(person=3)),
        ),
        (
            *("the person in red gave the cup to someone in blue", "then"),
            *(Clause(person_colour="red"), Clause(person_colour="blue")),
        ),
        (
            *("the person in red gave someone in blue the cup", "then"),
            *(Clause(person_colour="red"), Clause(person_colour="blue")),
        ),
        (
            *("which cup was given by the person in red to the person in blue", "then"),
            *(Clause(person_colour="red"), Clause(person_colour="blue")),
        ),
        (
            *("which cup was handed to the person in blue by the person in red", "then"),
            *(Clause(person_colour="red"), Clause(person_colour="blue")),
        ),
        (
            *("was the cup passed to someone in blue by someone in red", "then"),
            *(Clause(person_colour="red"), Clause(person_colour="blue")),
        ),
        (
            *("which cup was the person in blue handed by the person in red", "then"),
            *(Clause(person_colour="red"), Clause(person_colour="blue")),
        ),
        (
            *("which cup did anyone in red hand to anyone in blue", "then"),
            *(Clause(person_colour="red"), Clause(person_colour="blue")),
        ),
        (
            *("was person 3 in blue given a cup by person 4 in a red shirt", "after"),
            *(Clause(person=3, person_colour="blue"), Clause(person=4, upper_colour="red")),
        ),
        (
            *("which cup did anyone in green hand to person 3", "then"),
            *(Clause(person_colour="green"), Clause(person=3)),
        ),
        ("which cup did person 3 pass to person 4", "then", Clause(person=3), Clause(person=4)),
    ],
)
def test_who_hands_it_over_and_who_gets_it_are_told_apart(
    question: str, relation: str, had: Clause, other: Clause
) -> None:
    asked = ask(question)
    assert asked.answerable, asked.not_understood
    (step,) = asked.steps
    assert (step.relation, step.person, step.thing) == (Relation(relation), Bound.OTHER, Bound.SAME)
    assert asked.clause == replace(had, verbs=asked.clause.verbs, objects=("cup",))
    assert step.clause == replace(other, verbs=asked.clause.verbs)


def test_negation_order_and_counts() -> None:
    assert ask("person drinking but not from a bottle").clause.not_objects == ("bottle",)
    had = ask("who had the blue box last")
    assert (had.order, had.clause.thing_colour) == (Order.LAST, "blue")
    assert set(had.clause.verbs) == {"hold", "carry"}
    assert ask("who held a cup first").order is Order.FIRST
    assert ask("who held a cup for the longest time").order is Order.LONGEST
    assert ask("how many bottles were put down on camera 2 today").form is Form.THINGS
    assert ask("how many people held a cup").form is Form.PEOPLE
    assert ask("how many different persons held a cup").form is Form.PEOPLE
    assert ask("how many different cups did people hold").form is Form.THINGS
    phones = ask("how many different phones were put down").clause
    assert phones.verbs == ("put down",)
    assert ask("how often was a cup held").form is Form.TIMES


@pytest.mark.parametrize(
    "question",
    ["who passed by", "who passed the box", "who passed person 3", "who was passed by person 4"],
)
def test_who_passes_by_hands_nothing_over(question: str) -> None:
    asked = ask(question)
    assert not asked.steps
    assert asked.not_understood == ("passed",)
    assert not asked.answerable


def test_what_nobody_did_is_yes_or_no_turned_round() -> None:
    for question in ("did nobody pick up the box", "nobody picked up the box today"):
        asked = ask(question)
        assert (asked.form, asked.answerable) == (Form.NOBODY, True)
        assert (asked.clause.verbs, asked.clause.objects) == (("pick up",), ("box",))
    (step,) = ask("who put down a box and then nobody else picked it up").steps
    assert (step.negated, step.person, step.thing) == (True, Bound.OTHER, Bound.SAME)
    (step,) = ask("who put down a box while no one kicked a cup").steps
    assert (step.negated, step.person, step.thing) == (True, Bound.ANY, Bound.ANY)


@pytest.mark.parametrize(
    ("said", "camera", "since"),
    [
        ("who held a cup but not at the gate", "gate", None),
        ("who held a cup not on camera 2", "2", None),
        ("who held a cup today but not after 2 pm", None, "2026-11-24T14:00"),
        ("who held a cup today but not before 4 pm", None, "2026-11-24T00:00"),
        ("who held a cup, not yesterday at the gate", "gate", "2026-11-23T00:00"),
        ("except yesterday, who held a cup", None, "2026-11-23T00:00"),
    ],
)
def test_places_and_times_can_be_excluded(said: str, camera: str | None, since: str | None) -> None:
    asked = ask(said)
    assert asked.answerable, asked.not_understood
    (excluded,) = asked.exclusions
    began = since and datetime.fromisoformat(since).replace(tzinfo=BERLIN)
    assert (excluded.camera, excluded.since) == (camera, began)
    assert (asked.camera, asked.clause.verbs, asked.steps) == (None, ("hold",), ())
    assert (asked.since is not None) == ("today" in said)


@pytest.mark.parametrize(
    "question",
    [
        "who held a cup but not person 3",
        "who held a cup but not in red",
        "who drank but not from a red bottle",
        "who held a cup but never at the gate",
        "who sat on a bench and left without person 3",
        "who held a cup while nobody else",
    ],
)
def test_what_cannot_be_excluded_is_not_left_out(question: str) -> None:
    assert not ask(question).answerable


def test_what_is_left_or_excluded_keeps_its_colour_and_its_company() -> None:
    put, _ = ask("someone sat on a bench and then left without the red backpack").steps
    assert put.clause.thing_colour == "red"
    assert ask("who left without the red backpack").clause.thing_colour == "red"
    asked = ask("who held something but not a cup and not a box")
    assert set(asked.clause.not_objects) == {"cup", "box"}


@pytest.mark.parametrize(
    ("question", "things", "foreign"),
    [
        ("who put a cup on a bench", ["cup"], ("bench",)),
        ("who put it on the bench", [], ("bench",)),
        ("who sat on a bench with a cup", ["bench"], ("cup",)),
        ("who took the blue cup off the bench", ["cup"], ("off", "bench")),
        ("who drank from a bottle on the bench", ["bottle"], ("bench",)),
        ("who drank from a cup or a bottle", ["cup", "bottle"], ()),
        ("who drank something from a cup", ["cup"], ()),
        ("who sat on a bench or held a cup", ["bench", "cup"], ()),
        ("who threw the box to a person", ["box"], ()),
    ],
)
def test_where_a_thing_was_is_not_what_was_taken(
    question: str, things: list[str], foreign: tuple[str, ...]
) -> None:
    asked = ask(question)
    assert set(asked.clause.objects) == set(things)
    assert (asked.not_understood, asked.answerable) == (foreign, not foreign)


def test_nothing_is_said_of_men_and_women() -> None:
    listed = ask("which man held a cup")
    assert (listed.answerable, listed.not_understood) == (True, ("man",))
    for question in ("did a woman hold a cup", "how many men held a cup"):
        assert not ask(question).answerable
        assert ask(question).absent == ()


@pytest.mark.parametrize(
    ("question", "first", "second", "person", "thing"),
    [
        ("who picked up a box and kicked a cup", ("box",), ("cup",), "same", "any"),
        ("who picked up a box and someone else kicked a cup", ("box",), ("cup",), "other", "any"),
        ("who picked up and carried a box", ("box",), ("box",), "same", "same"),
        ("who sat and held a box", (), ("box",), "same", "any"),
        ("who picked something up and put it down", (), (), "same", "same"),
        ("which cups were picked up and put down", ("cup",), (), "any", "same"),
    ],
)
def test_what_is_joined_by_and_was_both_done(
    question: str, first: tuple[str, ...], second: tuple[str, ...], person: str, thing: str
) -> None:
    asked = ask(question)
    assert asked.answerable, asked.not_understood
    (step,) = asked.steps
    assert (asked.clause.objects, step.clause.objects) == (first, second)
    assert not set(asked.clause.verbs) & set(step.clause.verbs)
    assert (step.relation, step.person, step.thing) == ("near", person, thing)


def test_two_things_are_either_of_them_and_that_is_said() -> None:
    for question in ("who held a cup and a bottle", "who held a bottle and cup"):
        asked = ask(question)
        assert (set(asked.clause.objects), asked.steps) == ({"cup", "bottle"}, ())
        assert "and: or" in map(str, asked.understood)


def test_leaving_without_a_thing_is_putting_it_down_and_not_taking_it_again() -> None:
    asked = ask("someone sat on a bench and then left without the backpack")
    assert asked.answerable
    put, taken = asked.steps
    assert (put.clause.verbs, put.clause.objects) == (("put down",), ("backpack",))
    assert taken.negated
    assert (taken.person, taken.thing) == (Bound.SAME, Bound.SAME)


@pytest.mark.parametrize(
    "question",
    [
        "who held a cup at 25:00",
        "who held a cup after 5",
        "who held a cup on 31 february",
        "who held a cup on 0001-01-01",
        "who did not hold a cup",
        "who held a cup at the moon",
        "how many people held a cup last",
        "which box did nobody pick up",
        "how many cups did nobody hold",
        "who held neither a cup nor a box",
        "who held anything but a cup",
        "how often was the first cup held",
    ],
)
def test_a_time_or_place_that_is_none_is_not_left_out(question: str) -> None:
    assert not ask(question).answerable


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(AskError, match="more than 5 parts"):
        ask("who held a cup" + " then held a box" * 6)


@pytest.mark.parametrize(
    "question",
    [
        "could you show me the person that picked up a cup",
        "I'm looking for somebody picking the cup up",
        "who was it that picked up the cup?",
        "I would like to see footage of someone who lifted up a cup",
        "by whom was a cup picked up?",
        "who raised the mug in their hands",
        "do you know who has picked up a cup",
    ],
)
def test_a_question_is_the_same_in_other_words(question: str) -> None:
    asked = ask(question)
    assert asked.answerable, asked.not_understood
    assert (asked.clause.verbs, asked.clause.objects) == (("pick up",), ("cup",))


def test_words_between_a_verb_and_its_preposition_change_nothing() -> None:
    assert ask("who sat down on a bench").clause == ask("who sat on a bench").clause
    assert ask("who drank out of a bottle").clause == ask("who drank from a bottle").clause


@pytest.mark.parametrize(
    ("question", "plainly"),
    [
        ("who took a seat on the bench", "who sat on the bench"),
        ("did anyone have a drink from a bottle", "did anyone drink from a bottle"),
        ("who took a drink at the gate from a bottle", "who drank at the gate from a bottle"),
        ("what did person 3 take a drink from", "what did person 3 drink from"),
        ("who gave the red box a kick", "who kicked the red box"),
        ("who gave a push to the box", "who pushed the box"),
        ("who got hold of a cup", "who held a cup"),
    ],
)
def test_an_act_told_by_a_noun_is_its_verb(question: str, plainly: str) -> None:
    asked = ask(question)
    assert asked.answerable, asked.not_understood
    assert set(asked.clause.verbs) == set(ask(plainly).clause.verbs)
    assert asked.clause.thing == ask(plainly).clause.thing


@pytest.mark.parametrize(
    "question",
    [
        "has anyone seen my box",
        "who has been near the box",
        "who had gone",
        "what has been moved",
        "has the box been moved",
    ],
)
def test_has_before_a_participle_is_not_holding(question: str) -> None:
    assert ask(question).clause.verbs == ()


def test_what_follows_the_thing_is_no_participle_of_has() -> None:
    for question in (
        "who had it before person 5 kicked it",
        "who had something before it was kicked",
        "person 3 had the box that was seen",
    ):
        assert {"hold", "carry"} <= set(ask(question).clause.verbs)
    (step,) = ask("who kicked a box and then had the cup").steps
    assert set(step.clause.verbs) == {"hold", "carry"}


@pytest.mark.parametrize(
    ("question", "verbs"),
    [
        ("who took a phone from a person", {"pick up"}),
        ("who gave a cup to another person", {"carry", "hold", "pick up"}),
        ("who had a cup", {"hold", "carry"}),
        ("who took a box", {"pick up"}),
        ("who took a drink in the last hour", {"pick up"}),
        ("who took a drink at the gate", {"pick up"}),
    ],
)
def test_a_thing_that_could_be_an_act_is_a_thing(question: str, verbs: set[str]) -> None:
    assert set(ask(question).clause.verbs) == verbs


def test_over_alone_is_no_verb_of_the_dictionary() -> None:
    given = understand(
        "who handed a book over", verbs=["hold"], objects=["book"], cameras=[], open_verbs=True
    )
    assert given.clause.phrases == ()
    assert given.steps == ask("who handed a book over").steps != ()


def test_a_coloured_thing_is_no_verb() -> None:
    asked = understand(
        "did anybody hold a brown phone", verbs=["hold", "talk on"], objects=["phone"], cameras=[]
    )
    assert asked.answerable
    assert (asked.clause.verbs, asked.clause.thing_colour) == (("hold",), "brown")


def test_when_and_where_may_come_first() -> None:
    asked = ask("yesterday at the gate, did anyone hold a cup?")
    assert (asked.form, asked.camera) == (Form.YES_NO, "gate")
    assert asked.since is not None


def test_afterwards_is_later_and_another_person_is_somebody_else() -> None:
    (step,) = ask("who held a cup, not kicking a box afterwards").steps
    assert (step.relation, step.negated) == (Relation.THEN, True)
    (after,) = ask("who held a cup and after that put down a box").steps
    assert (after.relation, after.clause.verbs) == (Relation.THEN, ("put down",))
    asked = ask("did somebody hand a box to another person")
    assert asked.answerable, asked.not_understood
    (step,) = asked.steps
    assert (step.person, step.thing) == (Bound.OTHER, Bound.SAME)
