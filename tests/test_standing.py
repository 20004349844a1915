"""Standing questions: what may stand, what they find, and when they keep still."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.orm import Session, sessionmaker

from storage.alert_rows import Alert, drop_looks, note_new, recent_alerts
from storage.channels import Channel
from storage.interactions import EndReason, Interaction, Kind, Phase
from storage.question import AskError
from storage.quiet import AlertError, QuietHours, held_back
from storage.repository import add_interactions
from storage.retention import prune
from storage.standing import Standing, parse_cooldown, understand_standing
from storage.standing_rows import (
    all_standing,
    get_standing,
    remove_standing,
    save_standing,
    set_active,
)
from storage.track_rows import add_tracks
from storage.tracks import Track
from storage.watching import OvertakenError, find, settle
from tests.test_interactions import NOON, make_interaction

Sessions = sessionmaker[Session]


def stand(sessions: Sessions, question: str, name: str = "mine", **given: Any) -> Standing:
    with sessions.begin() as session:
        asked = understand_standing(session, question, now=NOON, objects=("box",))
        return save_standing(session, Standing(name, asked, **given))


def see(sessions: Sessions, *new: Interaction, now: datetime = NOON) -> list[Alert]:
    """What a run stores, then one look at it; all alerts there are, oldest first."""
    with sessions.begin() as session:
        add_interactions(session, interactions=new)
        note_new(session, new, now=now)
    return look(sessions, now)


def look(sessions: Sessions, now: datetime) -> list[Alert]:
    with sessions.begin() as session:
        while settle(session, find(session, now=now), now=now).more:
            pass
    with sessions() as session:
        return recent_alerts(session)[::-1]


def about(alerts: list[Alert]) -> list[str]:
    return [alert.body["interaction"]["id"] for alert in alerts]


def moment(number: int, verb: str, seconds: float, **changes: Any) -> Interaction:
    at = NOON + timedelta(seconds=seconds)
    values: dict[str, Any] = {
        **{"kind": Kind.MOMENT, "phase": Phase.END, "end_reason": EndReason.ENDED},
        **{"verb": verb, "object_class": "box", "started_at": at, "ended_at": at},
    }
    return make_interaction(number, **{**values, **changes})


def test_a_new_interaction_that_fits_is_told_of_once(both: Sessions) -> None:
    stand(both, "who held a cup", min_score=0.5)
    early = make_interaction(
        1, verb="hold", object_class="cup", phase=Phase.START, end_reason=None, peak_score=0.4
    )
    other = make_interaction(2, verb="hold", object_class="box")
    assert see(both, early, other) == []
    sure = make_interaction(
        1, verb="hold", object_class="cup", phase=Phase.UPDATE, end_reason=None, peak_score=0.9
    )
    (alert,) = see(both, sure)
    assert about([alert]) == [str(early.id)]
    assert alert.held is None
    assert alert.body["question"]["text"] == "who held a cup"
    over = make_interaction(1, verb="hold", object_class="cup", peak_score=0.95)
    assert see(both, over, over) == [alert], "other phases of the same are the same"


def test_what_was_there_before_the_question_is_not_told(both: Sessions) -> None:
    old = moment(1, "pick up", 0)
    see(both, old)
    stand(both, "who picked up a box and then put it down")
    assert see(both, moment(2, "put down", 300, human_track="gate:0:99")) == []


def test_when_it_is_over_may_be_waited_for(sessions: Sessions) -> None:
    stand(sessions, "who held a cup", at_end=True)
    going = make_interaction(1, verb="hold", object_class="cup", phase=Phase.START, end_reason=None)
    assert see(sessions, going) == []
    assert len(see(sessions, make_interaction(1, verb="hold", object_class="cup"))) == 1


def test_a_camera_may_be_chosen(sessions: Sessions) -> None:
    stand(sessions, "who picked up a box", cameras=("lobby",))
    assert see(sessions, moment(1, "pick up", 0)) == []
    here = moment(2, "pick up", 1, camera="lobby")
    assert about(see(sessions, here)) == [str(here.id)]


def test_a_later_step_completes_the_question(both: Sessions) -> None:
    stand(both, "who picked up a box and then sat on a chair")
    first = moment(1, "pick up", 0)
    assert see(both, first) == []
    else_ = moment(2, "sit on", 20, object_class="chair", human_track="gate:0:55")
    assert see(both, else_) == [], "somebody else"
    same = moment(3, "sit on", 30, object_class="chair", human_track=first.human_track)
    (alert,) = see(both, same)
    assert about([alert]) == [str(first.id)]
    assert alert.body["evidence"][0]["id"] == str(same.id)


def test_what_did_not_happen_is_told_when_it_cannot_happen_any_more(both: Sessions) -> None:
    stand(both, "who picked up a box and did not put it down within 30 seconds")
    kept, put = moment(1, "pick up", 0), moment(2, "pick up", 1, object_track="gate:0:42")
    assert see(both, kept, put) == []
    back = moment(3, "put down", 10, human_track=put.human_track, object_track=put.object_track)
    assert see(both, back, now=NOON + timedelta(seconds=10)) == []
    assert look(both, NOON + timedelta(seconds=29)) == []
    assert about(look(both, NOON + timedelta(seconds=31))) == [str(kept.id)]


def test_leaving_without_it_is_told_when_nobody_came_back(sessions: Sessions) -> None:
    stand(sessions, "someone picked up a box and then left without it")
    taken = moment(1, "pick up", 0)
    put = moment(2, "put down", 20, human_track=taken.human_track, object_track=taken.object_track)
    assert see(sessions, taken) == []
    assert see(sessions, put, now=NOON + timedelta(seconds=20)) == []
    alerts = look(sessions, NOON + timedelta(seconds=90))
    assert str(taken.id) in about(alerts) or str(put.id) in about(alerts)


def test_colours_are_waited_for(sessions: Sessions) -> None:
    stand(sessions, "who in a red shirt picked up a box")
    new = moment(1, "pick up", 0)
    assert see(sessions, new) == []
    seen = Track(
        id=new.human_track, camera="gate", class_name="person", first_seen=NOON, last_seen=NOON,
        media_start=0.0, media_end=60.0, frames=100, bundle="b", colour="red", lower_colour=None,
    )  # fmt: skip
    with sessions.begin() as session:
        add_tracks(session, tracks=[seen])
    assert about(look(sessions, NOON + timedelta(minutes=3))) == [str(new.id)]


def test_colours_and_what_did_not_happen_are_waited_for_together(sessions: Sessions) -> None:
    stand(sessions, "who in a red shirt picked up a box and did not put it down within 10 minutes")
    kept, put = moment(1, "pick up", 0), moment(2, "pick up", 1, object_track="gate:0:42")
    see(sessions, kept, put)
    person = Track(kept.human_track, "gate", "person", NOON, NOON, 0.0, 60.0, 100, "b", "red")
    with sessions.begin() as session:
        add_tracks(session, tracks=[person])
    assert look(sessions, NOON + timedelta(minutes=3)) == []
    back = moment(3, "put down", 300, human_track=put.human_track, object_track=put.object_track)
    assert see(sessions, back, now=NOON + timedelta(minutes=5)) == []
    assert about(look(sessions, NOON + timedelta(minutes=11))) == [str(kept.id)]


def test_what_did_not_follow_is_counted_from_the_end(sessions: Sessions) -> None:
    stand(sessions, "who held a box and did not put it down within 30 seconds")
    held: dict[str, Any] = {"verb": "hold", "object_class": "box"}
    going = make_interaction(1, phase=Phase.START, end_reason=None, **held)
    assert see(sessions, going) == []
    assert look(sessions, NOON + timedelta(minutes=2)) == []
    over = make_interaction(1, ended_at=NOON + timedelta(minutes=3), **held)
    assert see(sessions, over, now=NOON + timedelta(minutes=3)) == []
    assert about(look(sessions, NOON + timedelta(minutes=3, seconds=31))) == [str(over.id)]


def test_two_that_ask_at_once_settle_each_look_once(both: Sessions) -> None:
    stand(both, "who picked up a box")
    new = moment(1, "pick up", 0)
    with both.begin() as session:
        add_interactions(session, interactions=[new])
        note_new(session, [new], now=NOON)
    with both() as one, both() as other:
        findings = find(one, now=NOON), find(other, now=NOON)
    with both.begin() as session:
        assert settle(session, findings[0], now=NOON).alerts == 1
    with pytest.raises(OvertakenError), both.begin() as session:
        settle(session, findings[1], now=NOON)


def test_what_happens_as_a_question_comes_is_looked_at(sessions: Sessions) -> None:
    stand(sessions, "who picked up a box")
    new = moment(1, "pick up", 0)
    with sessions.begin() as session:
        add_interactions(session, interactions=[new])
        note_new(session, [new], now=NOON)
        drop_looks(session)  # by one who does not know of the question yet
    assert about(look(sessions, NOON)) == [str(new.id)]


def test_alerts_grow_old_as_interactions_do(sessions: Sessions, tmp_path: Path) -> None:
    stand(sessions, "who picked up a box", channels=(Channel.make("http://a/x"),))
    assert len(see(sessions, moment(1, "pick up", 0))) == 1
    prune(sessions, tmp_path, before=NOON + timedelta(days=1))
    assert look(sessions, NOON) == []


def test_questions_come_change_pause_and_go(both: Sessions) -> None:
    first = stand(both, "who picked up a box", channels=(Channel.make("http://a/x"),))
    changed = stand(both, "who kicked a ball", channels=(Channel.make("http://a/x"),))
    assert changed.id == first.id
    assert changed.channels[0].id == first.channels[0].id, "its log stays"
    with both.begin() as session:
        assert get_standing(session, "mine").question == changed.question
        set_active(session, "mine", active=False)
    kick = moment(1, "kick", 0, object_class="sports ball")
    assert see(both, kick) == []
    with both.begin() as session:
        set_active(session, "mine", active=True)
    assert look(both, NOON) == [], "what happened in the pause is not told"
    assert len(see(both, moment(2, "kick", 1, object_class="sports ball"))) == 1
    with both.begin() as session:
        remove_standing(session, "mine")
        assert all_standing(session) == []
        assert recent_alerts(session) == []
        with pytest.raises(AlertError, match="no standing question 'mine'"):
            remove_standing(session, "mine")


def test_one_that_a_newer_program_saved_does_not_stop_the_others(sessions: Sessions) -> None:
    stand(sessions, "who picked up a box")
    stand(sessions, "who kicked a ball", name="strange")
    with sessions.begin() as session:
        session.execute(
            text("UPDATE standing_questions SET question = '{\"x\": 1}' WHERE name = 'strange'")
        )
    assert len(see(sessions, moment(1, "pick up", 0))) == 1


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("how many cups were held", "count is about the past"),
        ("how often did anyone kick a ball", "count is about the past"),
        ("who picked up a box yesterday", "a time that passes"),
        ("who picked up a box in the last hour", "a time that passes"),
        ("who picked up a box, not yesterday", "a time that passes"),
        ("who picked up a box after 5 pm", "a time that passes"),
        ("nobody picked up a box", "never news"),
        ("who had the box last", "may change with everything new"),
        ("who frobnicated the box", "not understood: frobnicated"),
        ("", "empty"),
        ("x" * 10_000, "at most 500"),
    ],
)
def test_what_cannot_stand_is_refused_with_the_reason(
    question: str, said: str, sessions: Sessions
) -> None:
    with sessions() as session, pytest.raises((AlertError, AskError), match=said):
        understand_standing(session, question, now=NOON, objects=("box",))


def test_a_verb_that_nobody_configured_is_watched_for_as_one_that_joins(
    sessions: Sessions,
) -> None:
    both = stand(sessions, "who juggled a ball and then leaned on a bench")
    assert both.verbs == {"juggle", "lean on"}
    assert not both.question.clause.phrases
    assert "juggled: juggle" in map(str, both.question.understood)
    stand(sessions, "who juggled a box")
    (told,) = see(sessions, moment(1, "juggle", 0))
    assert told.held is None


@pytest.mark.parametrize(
    ("url", "secret", "said"),
    [
        ("ftp://x/y", None, "cannot begin with 'ftp'"),
        ("https://joe:hunter2@x/y", None, "does not stand in the URL"),
        ("https://x/y?token=hunter2", None, "does not stand in the URL"),
        ("mqtt://joe:hunter2@x/y", None, "does not stand in the URL"),
        ("https://x/${HOME}", None, "begins with HOI_SECRET_"),
        ("https://x/y", "hunter2", "given by name"),
        ("https://x/y", "file:../../etc/passwd", "given by name"),
        ("https://x/y", "env:PATH", "given by name"),
        ("https:///y", None, "no host"),
        ("https://x/a b", None, "without spaces"),
        ("mqtt://x", None, "topic"),
        ("mqtt://x/a/#", None, "topic"),
        ("mqtt://x/{nobody}", None, "topic"),
        ("mqtt://x/{question.__class__}", None, "topic"),
        ("mailto:nobody", None, "one address"),
        ("mailto:a@b,c@d", None, "one address"),
        ("mailto:a@b", "env:HOI_SECRET_X", "only a webhook"),
    ],
)
def test_a_channel_with_a_secret_in_it_or_none_at_all_is_refused(
    url: str, secret: str | None, said: str
) -> None:
    with pytest.raises(AlertError, match=said) as refused:
        Channel.make(url, secret)
    assert "hunter2" not in str(refused.value)


def test_channels_that_are_taken() -> None:
    for url, kind in (
        ("https://example.org/hook?a=1", "webhook"),
        ("https://${HOI_SECRET_U}:${HOI_SECRET_P}@example.org/${HOI_SECRET_T}", "webhook"),
        ("mqtts://${HOI_SECRET_U}:${HOI_SECRET_P}@h:8883/hoi/{question}/{camera}", "mqtt"),
        ("mailto:someone@example.org", "mail"),
    ):
        assert Channel.make(url).kind == kind


def test_cooldowns_and_quiet_hours_in_words() -> None:
    assert parse_cooldown("90s") == (timedelta(seconds=90), False)
    assert parse_cooldown("5m per camera") == (timedelta(minutes=5), True)
    for wrong in ("", "5", "-5m", "5 weeks"):
        with pytest.raises(AlertError, match="cool-down"):
            parse_cooldown(wrong)
    assert str(QuietHours.parse("22:00-07:00, 12:00-13:30")) == "22:00-07:00, 12:00-13:30"
    for hours, zone in (("22-7", "UTC"), ("25:00-26:00", "UTC"), ("22:00-22:00", "UTC"), ("", "X")):
        with pytest.raises(AlertError, match=r"quiet hours|no time zone"):
            QuietHours.parse(hours, zone)


def test_what_is_held_back_is_kept_with_its_reason(both: Sessions) -> None:
    stand(both, "who picked up a box", cooldown=timedelta(minutes=5))
    see(both, moment(1, "pick up", 0))
    see(both, moment(2, "pick up", 10), now=NOON + timedelta(seconds=10))
    third = see(both, moment(3, "pick up", 400), now=NOON + timedelta(seconds=400))
    assert [alert.held and alert.held.split()[0] for alert in third] == [None, "cool-down", None]


def test_each_camera_may_have_its_own_cooldown(sessions: Sessions) -> None:
    stand(sessions, "who picked up a box", cooldown=timedelta(hours=1), per_camera=True)
    told = see(
        sessions,
        *(moment(n, "pick up", n, camera=name) for n, name in enumerate(("a", "b", "a", "b"))),
    )
    assert sorted(alert.camera for alert in told if alert.held is None) == ["a", "b"]


ZONES = ("UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")
CLOCK = st.times().map(lambda t: t.replace(second=0, microsecond=0))
CHANGES = (datetime(2026, 3, 29, tzinfo=UTC), datetime(2026, 10, 25, tzinfo=UTC), NOON)


@given(
    gaps=st.lists(st.floats(0, 20_000), max_size=40),
    cooldown=st.floats(0, 30_000).map(lambda s: timedelta(seconds=s)),
    start=CLOCK,
    end=CLOCK,
    zone=st.sampled_from(ZONES),
    begin=st.sampled_from(CHANGES),
)
def test_never_two_within_the_cooldown_and_none_in_quiet_hours(
    gaps: list[float],
    cooldown: timedelta,
    start: Any,
    end: Any,
    zone: str,
    begin: datetime,
) -> None:
    quiet = QuietHours(((start, end),) if start != end else (), zone)
    now, told = begin, list[datetime]()
    for gap in gaps:
        now += timedelta(seconds=gap)
        reason = held_back(now, last=told[-1] if told else None, cooldown=cooldown, quiet=quiet)
        wall = now.astimezone(ZoneInfo(zone)).time()
        inside = start != end and (
            start <= wall < end if start < end else wall >= start or wall < end
        )
        early = bool(told) and now - told[-1] < cooldown
        assert (reason is not None) == (inside or early)
        if reason is None:
            told.append(now)


@pytest.mark.parametrize(
    ("day", "hours"),
    [(datetime(2026, 3, 29, tzinfo=UTC), 8), (datetime(2026, 10, 25, tzinfo=UTC), 10),
     (datetime(2026, 6, 1, tzinfo=UTC), 9)],
)  # fmt: skip
def test_a_night_is_as_long_as_the_clock_on_the_wall_says(day: datetime, hours: int) -> None:
    quiet = QuietHours.parse("22:00-07:00", "Europe/Berlin")
    minutes = (day - timedelta(hours=6) + timedelta(minutes=n) for n in range(16 * 60))
    assert sum(map(quiet.contains, minutes)) == hours * 60
