"""Who left without a thing is no longer there; who sits beside it has not left."""

from datetime import datetime, timedelta

from sqlalchemy.orm import Session, sessionmaker

from storage.ask import answer, understand_stored
from storage.repository import add_interactions
from storage.run_rows import finish_run, start_run
from storage.track_rows import add_tracks
from storage.tracks import Track
from tests.test_interactions import NOON, make_interaction
from tests.test_standing import about, look, moment, see, stand

Sessions = sessionmaker[Session]
PERSON, THING = "gate:0:3", "gate:0:7"
PUT = moment(1, "put down", 0)


def after(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def seen(sessions: Sessions, track: str, until: float) -> None:
    """What is stored of a track at that second."""
    kind = "person" if track == PERSON else "box"
    frames = int(until) + 100
    one = Track(track, "gate", kind, after(-60), after(until), 0.0, until + 60.0, frames, "b")
    with sessions.begin() as session:
        add_tracks(session, tracks=[one])


def left(sessions: Sessions, question: str = "who left without the box") -> list[str]:
    with sessions() as session:
        asked = understand_stored(session, question, now=NOON)
        return [row.interaction.human_track for row in answer(session, asked).rows]


def test_who_was_seen_to_the_end_of_a_recording_has_not_left(both: Sessions) -> None:
    with both.begin() as session:
        add_interactions(session, interactions=[PUT])
    seen(both, PERSON, 30)
    seen(both, THING, 31)
    assert left(both) == []
    seen(both, THING, 40)
    assert left(both) == [PERSON]


def test_while_a_camera_runs_what_is_stored_may_be_a_minute_old(both: Sessions) -> None:
    with both.begin() as session:
        add_interactions(session, interactions=[PUT])
        run = start_run(session, sources={"gate": "x"}, bundle="b", config="c", started_at=NOON)
    seen(both, THING, 10)
    assert left(both) == [], "nothing is stored of who has just come"
    seen(both, PERSON, 30)
    seen(both, THING, 80)
    assert left(both) == []
    with both.begin() as session:
        finish_run(session, run=run, ended_at=NOON, summary=None)
    assert left(both) == [PERSON], "now all is known"


def test_an_alert_waits_until_the_person_is_gone(both: Sessions) -> None:
    stand(both, "someone sat on a bench and then left without the box")
    with both.begin() as session:
        start_run(session, sources={"gate": "x"}, bundle="b", config="c", started_at=NOON)
    sat = make_interaction(2, verb="sit on", object_class="bench", object_track="gate:0:9")
    assert see(both, PUT, sat) == []
    for second in range(60, 1000, 60):  # on the bench, the box beside
        seen(both, PERSON, second)
        seen(both, THING, second + 20)
        assert look(both, after(second + 20)) == []
    seen(both, THING, 2000)
    (alert,) = look(both, after(2000))
    assert about([alert]) == [str(sat.id)]
    assert look(both, after(2 * 86_400)) == [alert]
