"""Runs and interactions: written in any order, found by what people ask for."""

from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import numpy as np
import pytest
from sqlalchemy import select
from sqlalchemy.orm import Session, sessionmaker

from storage.interactions import EndReason, Interaction, Phase
from storage.names import cameras, object_classes_seen, verbs_seen
from storage.repository import (
    add_interactions,
    close_crashed,
    count_by_verb,
    count_interactions,
    find_interactions,
    get_interaction,
    latest,
    open_interactions,
)
from storage.run_rows import finish_run, start_run
from storage.tables import CameraRow, RunRow
from storage.track_rows import add_tracks, find_tracks
from storage.tracks import Track
from tests.test_interactions import NOON, make_interaction


def write(sessions: sessionmaker[Session], *interactions: Interaction) -> None:
    with sessions.begin() as session:
        add_interactions(session, interactions=interactions)


def stored(sessions: sessionmaker[Session], interaction: Interaction) -> Interaction:
    with sessions() as session:
        found = get_interaction(session, id=interaction.id)
    assert found is not None
    return found


def test_every_field_comes_back(both: sessionmaker[Session]) -> None:
    interaction = make_interaction(clip="gate/1.mp4")
    write(both, interaction)
    back = stored(both, interaction)
    for field in fields(Interaction):
        if field.name != "vector":
            assert getattr(back, field.name) == getattr(interaction, field.name), field.name
    assert back.vector is not None
    assert back.vector.dtype == np.float16
    assert np.array_equal(back.vector, np.asarray(interaction.vector))


def test_numbers_of_numpy_are_taken(both: sessionmaker[Session]) -> None:
    box = tuple(np.array([1.5, 2, 3, 4], np.float32))
    interaction = make_interaction(peak_score=np.float32(0.5), human_box=box)
    write(both, interaction)
    assert stored(both, interaction).human_box == (1.5, 2.0, 3.0, 4.0)


def test_times_come_back_in_utc_from_any_zone(both: sessionmaker[Session]) -> None:
    local = NOON.astimezone(timezone(timedelta(hours=-7)))
    interaction = make_interaction(started_at=local)
    write(both, interaction)
    back = stored(both, interaction).started_at
    assert (back, back.tzinfo) == (NOON, UTC)


def test_a_late_start_never_overwrites_an_end(both: sessionmaker[Session]) -> None:
    start = make_interaction(phase=Phase.START, peak_score=0.1)
    update = make_interaction(phase=Phase.UPDATE, peak_score=0.2)
    end = make_interaction(phase=Phase.END, peak_score=0.9)
    write(both, start)
    write(both, end)
    write(both, update, start)
    assert stored(both, end) == end


def test_phases_in_one_batch_end_at_the_last(both: sessionmaker[Session]) -> None:
    phases = [make_interaction(phase=phase) for phase in (Phase.START, Phase.UPDATE, Phase.END)]
    write(both, *phases)
    write(both, *phases)
    with both() as session:
        assert list(find_interactions(session)) == [phases[-1]]


def test_an_old_update_does_not_shorten_a_newer_one(both: sessionmaker[Session]) -> None:
    newer = make_interaction(phase=Phase.UPDATE, ended_at=NOON + timedelta(seconds=9))
    older = make_interaction(phase=Phase.UPDATE, ended_at=NOON + timedelta(seconds=5))
    write(both, newer, older)
    assert stored(both, newer).ended_at == newer.ended_at


def test_an_end_without_picture_keeps_the_picture(both: sessionmaker[Session]) -> None:
    write(both, make_interaction(phase=Phase.START, snapshot="gate/start.jpg"))
    write(both, make_interaction(snapshot=None))
    assert stored(both, make_interaction()).snapshot == "gate/start.jpg"


def test_a_crash_closes_at_the_last_observed_time_and_only_our_cameras(
    both: sessionmaker[Session],
) -> None:
    ours = make_interaction(phase=Phase.UPDATE)
    other = make_interaction(phase=Phase.UPDATE, camera="lobby")
    done = make_interaction(5)
    write(both, ours, other, done)
    with both.begin() as session:
        closed = close_crashed(session, cameras=["gate"])
    assert closed == [replace(ours, phase=Phase.END, end_reason=EndReason.CRASH)]
    assert stored(both, ours).ended_at == ours.ended_at
    assert stored(both, done).end_reason is EndReason.ENDED
    with both() as session:
        assert open_interactions(session) == [other]


def test_an_end_that_was_seen_replaces_a_crash_end(both: sessionmaker[Session]) -> None:
    crash = make_interaction(end_reason=EndReason.CRASH)
    seen = make_interaction(end_reason=EndReason.ENDED)
    write(both, crash)
    write(both, seen)
    write(both, crash)
    assert stored(both, seen).end_reason is EndReason.ENDED


def test_filters_narrow_and_pages_do_not_overlap(both: sessionmaker[Session]) -> None:
    boxes = [make_interaction(n) for n in range(5)]
    cup = make_interaction(7, verb="hold", object_class="cup", camera="lobby")
    write(both, *boxes, cup)
    with both() as session:
        assert find_interactions(session, verbs=["hold"]) == [cup]
        assert find_interactions(session, object_classes=["cup", "dog"]) == [cup]
        assert find_interactions(session, camera="lobby") == [cup]
        assert find_interactions(session, human="gate:0:4") == []
        assert find_interactions(session, verbs=[]) == []
        assert list(find_interactions(session)) == [cup, *reversed(boxes)]
        pages = [find_interactions(session, limit=4, offset=o) for o in (0, 4)]
        assert [*pages[0], *pages[1]] == [cup, *reversed(boxes)]
        assert count_interactions(session, camera="gate") == 5


def test_since_and_until_keep_what_was_going_on(both: sessionmaker[Session]) -> None:
    write(both, make_interaction())  # from noon for 2.5 seconds
    second = timedelta(seconds=1)
    with both() as session:
        assert count_interactions(session, since=NOON + second, until=NOON + 2 * second) == 1
        assert count_interactions(session, since=NOON + 3 * second) == 0
        assert count_interactions(session, until=NOON - second) == 0
        with pytest.raises(Exception, match="naive"):
            count_interactions(session, since=datetime(2026, 1, 1))


def test_what_there_is(both: sessionmaker[Session]) -> None:
    write(both, make_interaction(), make_interaction(1), make_interaction(2, verb="hold"))
    with both() as session:
        assert count_by_verb(session) == {"pick up": 2, "hold": 1}
        assert (cameras(session), verbs_seen(session)) == (["gate"], ["hold", "pick up"])
        assert object_classes_seen(session) == ["box"]
        assert [i.verb for i in latest(session, limit=1)] == ["hold"]


def test_text_that_looks_like_sql_is_text(both: sessionmaker[Session]) -> None:
    nasty = "'; DROP TABLE interactions; --"
    write(both, make_interaction(), make_interaction(1, camera=nasty, verb=nasty))
    with both() as session:
        assert count_interactions(session, camera=nasty, verbs=[nasty]) == 1
        assert count_interactions(session, camera="' OR 1=1 --") == 0
        assert count_interactions(session) == 2


def test_tracks_are_found_by_camera_and_time(both: sessionmaker[Session]) -> None:
    minute = timedelta(minutes=1)
    tracks = [
        Track(f"{camera}:0:{n}", camera, "person", NOON, NOON + n * minute, 0.0, 60.0 * n, n, "b")
        for camera in ("gate", "yard")
        for n in range(1, 4)
    ]
    with both.begin() as session:
        add_tracks(session, tracks=tracks)
        add_tracks(session, tracks=[replace(tracks[0], frames=0, last_seen=NOON)])  # an old telling
    with both() as session:
        assert find_tracks(session, camera="gate") == tracks[2::-1]
        late = find_tracks(session, since=NOON + 3 * minute)
        assert [track.id for track in late] == ["gate:0:3", "yard:0:3"]


def test_cameras_are_known_by_their_newest_source(both: sessionmaker[Session]) -> None:
    later = NOON + timedelta(days=1)
    with both.begin() as session:
        for source, time in (("rtsp://old", NOON), ("rtsp://new", later)):
            start_run(session, sources={"a": source}, bundle="x", config="y", started_at=time)
    with both() as session:
        assert cameras(session) == ["a"], "it can be asked for before it has seen anything"
        (row,) = session.scalars(select(CameraRow))
        found = row.name, row.source, row.first_run_at, row.last_run_at
        assert found == ("a", "rtsp://new", NOON, later)


def test_a_run_is_kept_with_its_summary(both: sessionmaker[Session]) -> None:
    with both.begin() as session:
        run = start_run(
            session, sources={"a": "a.mp4", "b": "b"}, bundle="x", config="y", started_at=NOON
        )
        finish_run(session, run=run, ended_at=NOON, summary={"frames": 3})
    with both() as session:
        row = session.get(RunRow, run)
        assert row is not None
        assert (row.sources, row.summary, row.ended_at) == ("a.mp4\nb", {"frames": 3}, NOON)
