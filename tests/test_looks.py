"""What people and things look like, in words that nobody configured: "in a striped shirt"."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu
from sqlalchemy.orm import Session, sessionmaker

from configs.settings import load
from dashboard.corrections import Correction
from models.bundle import Bundle, CMMPSection, load_bundle
from models.cmmp.weights import load_cmmp
from models.cmmp_scorer import CMMPScorer
from models.looks import Looker
from models.scorer import load_scorer, make_looker
from models.speech import BundleSpeech
from models.world.canvas import COLOURS
from models.world.clip import write_clip
from models.world.render import World
from storage.ask import Answer, OpenVerbs, answer, understand, understand_stored
from storage.database import make_engine, make_sessions
from storage.outbox import Outbox
from storage.repository import add_interactions
from storage.track_rows import add_pair_vectors, add_tracks, find_tracks
from storage.tracks import Track
from stream.build import open_run
from stream.careful import Careful, Quarantine
from stream.frames import Round, ScoredFrame
from stream.look import Look
from tests.test_cmmp_scorer import bundle, picture
from tests.test_interactions import NOON, make_interaction
from tests.test_open_verbs import LATER, Spoken, sample
from tests.test_stages import frame, seen

__all__ = ["bundle"]  # a fixture
Floats = npt.NDArray[np.float32]
EYES = load_bundle("world")
NONE: Any = None  # scores that nobody reads


class Hearing(Spoken):
    """Was never taught "tartan"."""

    def deaf(self, bundle: str, sentence: str) -> str | None:
        return "'tartan'" if "tartan" in sentence else super().deaf(bundle, sentence)


def track(number: int, kind: str, stripes: float | None, camera: str = "gate") -> Track:
    look = None if stripes is None else np.array([np.sqrt(1 - stripes**2), stripes], np.float16)
    name = f"{camera}:0:{number}"
    return Track(name, camera, kind, NOON, LATER, 0.0, 60.0, 99, "b", look=look)


@pytest.fixture
def stored(both: sessionmaker[Session]) -> sessionmaker[Session]:
    """Twelve people, the last in stripes and the one before a little, and one nobody looked at,
    held a cup each, the last a striped one."""
    stripes = [0.05 * n for n in range(10)]
    people = [*(track(n, "person", s) for n, s in enumerate(stripes)), track(10, "person", 0.6)]
    people += [track(11, "person", 0.9), track(12, "person", None)]
    cups = [track(20 + n, "cup", 0.9 if n == 11 else 0.1) for n in range(13)]
    held = [
        make_interaction(
            n,
            verb="hold",
            object_class="cup",
            human_track=person.id,
            object_track=cup.id,
            peak_score=0.9,
            bundle="b",
        )
        for n, (person, cup) in enumerate(zip(people, cups, strict=True))
    ]
    with both.begin() as session:
        add_tracks(session, tracks=[*people, *cups])
        add_interactions(session, interactions=held)
        add_pair_vectors(session, vectors=[sample(0, -5.0)])
    return both


def ask(sessions: sessionmaker[Session], question: str) -> Answer:
    how = OpenVerbs(Hearing())
    with sessions() as session:
        asked = understand_stored(session, question, now=LATER, open_verbs=how)
        return answer(session, asked, open_verbs=how)


def people(told: Answer) -> list[str]:
    return [row.interaction.human_track for row in told.rows]


def test_who_looks_most_like_it_comes_first_and_the_answer_says_how_that_was_told(
    stored: sessionmaker[Session],
) -> None:
    told = ask(stored, "who in a striped shirt held a cup")
    assert people(told) == ["gate:0:11", "gate:0:10"]  # a sixth of twelve
    assert "'in a striped shirt': a guess by looks, the likest of 12" in told.summary
    assert not told.not_understood
    assert people(ask(stored, "who held a striped cup")) == ["gate:0:11"]


def test_a_look_holds_at_the_camera_that_is_asked_about_and_in_steps(
    stored: sessionmaker[Session],
) -> None:
    with stored.begin() as session:
        add_tracks(session, tracks=[track(n, "person", 1.0, "hall") for n in range(12)])
    assert not people(ask(stored, "who in a striped shirt held a cup"))  # all of the hall's are
    assert "gate:0:11" in people(ask(stored, "who in a striped shirt held a cup at the gate"))
    told = ask(stored, "who held a cup at the gate while someone in a striped shirt held a cup")
    assert {row.evidence[0].human_track for row in told.rows} <= {"gate:0:10", "gate:0:11"}
    assert told.rows


@pytest.mark.parametrize("asked", ["did anyone", "how many people", "how often did someone"])
def test_of_looks_alone_nothing_is_affirmed_or_counted(
    asked: str, stored: sessionmaker[Session]
) -> None:
    verb = "held" if "people" in asked else "hold"
    told = ask(stored, f"{asked} in a striped shirt {verb} a cup")
    assert (told.yes, told.number, len(told.rows)) == (None, None, 2)
    assert told.summary.startswith("not known: 2 interactions")


def test_looks_refute_nothing(stored: sessionmaker[Session]) -> None:
    told = ask(stored, "who held a cup while nobody in a striped shirt held a cup")
    assert not told.answerable
    assert set(told.not_understood) == {"striped", "shirt"}


def test_a_bundle_is_not_asked_in_words_that_it_was_never_taught(
    stored: sessionmaker[Session],
) -> None:
    how = OpenVerbs(Hearing())
    with stored() as session:
        asked = understand_stored(session, "who held a cup", now=LATER, open_verbs=how)
        clause = replace(asked.clause, thing_look="tartan")
        told = answer(session, replace(asked, clause=clause), open_verbs=how)
    assert not told.rows
    assert "'tartan'; 'tartan': nothing is stored of what they look like" in told.summary


def test_of_many_tracks_the_newest_are_looked_at_and_the_answer_says_so(
    stored: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ask(stored, "who in a striped shirt held a cup").complete
    monkeypatch.setattr("storage.looks._MOST", 12)
    told = ask(stored, "who in a striped shirt held a cup")
    assert not told.complete
    assert "there is more than was looked at" in told.summary


def test_the_same_video_seen_again_without_eyes_keeps_what_was_seen(
    both: sessionmaker[Session],
) -> None:
    with both.begin() as session:
        add_tracks(session, tracks=[track(1, "person", 0.6)])
        add_tracks(session, tracks=[track(1, "person", None)])
        (same,) = find_tracks(session)
        add_tracks(session, tracks=[replace(track(1, "person", None), bundle="c")])
        (other,) = find_tracks(session)
    assert same.look is not None
    assert other.look is None  # another bundle's words would be compared with it


@pytest.mark.parametrize(
    ("question", "person", "thing"),
    [
        ("who in a striped shirt held a cup", "in a striped shirt", None),
        ("did anyone with a hat carry the striped red cup", "wearing a hat", "striped"),
        ("who was wearing glasses when a cup was put down", "wearing glasses", None),
        ("person 3 in a long coat held a cup", "in a long coat", None),
        ("the person in red with a hat held a cup", "wearing a hat", None),
        ("who in a dark red shirt held a cup", "in a dark shirt", None),
        ("who held a big wooden cup", None, "big wooden"),
        ("who held folded papers", None, None),
        ("who wore a tie", None, None),
        ("who held a cup with a lid", None, None),
        ("who held every cup", None, None),
        ("who held the second cup", None, None),
        ("who held two cups", None, None),
        ("who was juggling cups", None, None),
        ("who held a cup and a striped box", None, None),
    ],
)
def test_what_looks_are_among_the_words(
    question: str, person: str | None, thing: str | None
) -> None:
    asked = understand(
        question,
        verbs=["hold", "put down", "carry", "wear"],
        objects=["cup", "box", "tie"],
        cameras=[],
        open_verbs=True,
        hears=lambda _: True,
    )
    assert (asked.clause.person_look, asked.clause.thing_look) == (person, thing)
    if "dark red" in question:
        assert asked.clause.upper_colour == "red"


def test_who_hands_it_over_and_who_gets_it_look_as_is_said_of_each() -> None:
    asked = understand(
        "who in a striped shirt gave a cup to someone in a hat",
        verbs=["hold"],
        objects=["cup"],
        cameras=[],
        hears=lambda _: True,
    )
    (step,) = asked.steps
    assert (asked.clause.person_look, step.clause.person_look) == ("in a striped shirt", "in a hat")
    assert not asked.not_understood


def test_words_that_no_tower_was_taught_are_not_understood(stored: sessionmaker[Session]) -> None:
    told = ask(stored, "who held a tartan cup")
    assert told.not_understood == ("tartan",)
    assert len(told.rows) == 13
    assert not ask(stored, "who in a tartan shirt held a cup").answerable


def test_where_no_look_is_stored_none_is_understood(
    both: sessionmaker[Session],
) -> None:
    with both.begin() as session:
        add_interactions(session, interactions=[make_interaction(1, verb="hold", bundle="b")])
        add_pair_vectors(session, vectors=[sample(0, -5.0)])
    told = ask(both, "who in a striped shirt held something")
    assert not told.answerable
    assert told.not_understood == ("striped", "shirt")


def test_a_look_passes_the_outbox_and_both_databases(
    both: sessionmaker[Session], tmp_path: Path
) -> None:
    striped = track(1, "person", 0.6)
    outbox = Outbox(tmp_path / "outbox.db")
    outbox.append([striped, track(2, "person", None)])
    rows = [row.record for row in outbox.read(after=0, limit=10)]
    outbox.close()
    with both.begin() as session:
        add_tracks(session, tracks=[row for row in rows if isinstance(row, Track)])
        found = {one.id: one.look for one in find_tracks(session)}
    assert np.array_equal(found["gate:0:1"], striped.look)  # type: ignore[arg-type]
    assert found["gate:0:2"] is None


def scored(index: int, *, gated: str | None = None) -> ScoredFrame:
    found = seen()
    found.tracker_id = np.array([1, 2])
    return ScoredFrame(frame("gate", index, index % 200), found, NONE, gated)


def looks_at(frames: Sequence[ScoredFrame], folder: Path, *, fails: bool = False) -> list[Any]:
    """Of each frame which tracks were looked at."""

    def see(items: Sequence[tuple[Any, Any]]) -> list[Any]:
        if fails:
            raise ValueError("no eyes")
        return [np.array([1, 0], np.float16) for _ in items]

    stage = Look(Careful("look", see, Quarantine(folder)), ["cup"])
    rounds = [Round((one,)) for one in frames]
    return [list(round_.frames[0].looks) for round_ in stage.look(rounds)]


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 1500))
def test_whoever_stays_is_looked_at_ever_less_often(frames: int) -> None:
    found = looks_at([scored(n) for n in range(frames)], Path("nowhere"))
    assert all(len(numbers) <= 1 for numbers in found)
    seconds = frames / 25
    for number in (1, 2):
        looks = sum(number in numbers for numbers in found)
        assert looks <= 2 + np.log(max(seconds / 0.3, 1)) / np.log(4)
        assert looks >= (seconds > 0.5) + (seconds > 2) + (seconds > 6) + (seconds > 21)


def test_where_nothing_can_happen_nobody_is_looked_at(tmp_path: Path) -> None:
    assert not any(looks_at([scored(n, gated="no_object") for n in range(50)], tmp_path))


def test_eyes_that_fail_do_not_stop_the_events(tmp_path: Path) -> None:
    found = looks_at([scored(n) for n in range(50)], tmp_path, fails=True)
    assert len(found) == 50
    assert not any(found)
    assert "no eyes" in next(tmp_path.glob("*.json")).read_text()


def test_a_look_is_what_clip_itself_makes_of_the_crop(bundle: Bundle) -> None:
    scorer = load_scorer(bundle)
    assert isinstance(scorer, CMMPScorer)
    image, clip = picture(3), scorer._model.clip
    box = np.array([200, 60, 320, 260], np.float32)
    (look,) = Looker(scorer).look([image], [box])
    square = image[50:270, 150:370]  # around the middle, a tenth more than the longer side
    with torch.inference_mode():
        vector = clip.encode_image(scorer.pixels([square]), normalize=True)[0].numpy()
    assert look == pytest.approx(vector, abs=1e-3)


def test_towers_in_bfloat16_see_the_same() -> None:
    section, looks = EYES.manifest.scorer, []
    assert isinstance(section, CMMPSection)
    for dtype in (torch.float32, torch.bfloat16):
        model = load_cmmp(section, EYES.folder, EYES.vocabulary)
        calibration, mean, std = EYES.manifest.calibration, section.mean, section.std
        scorer = CMMPScorer(model, EYES.vocabulary, calibration, mean, std, dtype=dtype)
        box = np.array([200, 60, 320, 260], np.float32)
        looks += Looker(scorer).look([picture(3)], [box])
    assert float(looks[0] @ looks[1]) > 0.99


def test_a_scorer_of_boxes_has_no_eyes() -> None:
    assert make_looker(load_scorer(load_bundle("world-boxes"))) is None


def shirts(seeds: range) -> tuple[Floats, list[str]]:
    """Looks (N, D) of the people of rendered clips, and the colours of their shirts."""
    scorer = load_scorer(EYES)
    assert isinstance(scorer, CMMPScorer)
    looker, colours = Looker(scorer), dict[tuple[int, int], str]()
    found: defaultdict[tuple[int, int], list[Any]] = defaultdict(list)
    for seed in seeds:
        for image, truth in World(seed, seconds=6.0).frames(every=30):
            clear = [o for o in truth.instances if o.class_name == "person" and o.occlusion < 0.5]
            boxes = [np.array(one.box, np.float32) for one in clear]
            for one, look in zip(clear, looker.look([image] * len(clear), boxes), strict=True):
                found[seed, one.id].append(look)
                colours[seed, one.id] = one.colour
    return np.stack([np.mean(looks, 0) for looks in found.values()]), [colours[k] for k in found]


def test_the_eyes_of_the_world_tell_shirts_from_each_other() -> None:
    looks, colours = shirts(range(9000, 9016))
    speech, areas = BundleSpeech("world"), []
    for colour in COLOURS:
        true = np.array([one == colour for one in colours])
        if not true.any():
            continue
        said = [f"a photo of a person in a {colour} shirt", "a photo of a person"]
        told, any_ = speech.plain(EYES.hash, said)
        scores = looks @ (told - any_)
        pairs = true.sum() * (~true).sum()
        areas.append(mannwhitneyu(scores[true], scores[~true]).statistic / pairs)
    assert len(colours) > 20
    assert np.mean(areas) > 0.8  # of two people, who wears it looks more like it


@pytest.mark.parametrize(
    ("vectors", "known"), [({}, True), ({"looks": False}, False)], ids=["as it is", "turned off"]
)
def test_a_run_keeps_what_tracks_look_like(
    vectors: Mapping[str, Any], known: bool, tmp_path: Path
) -> None:
    clip, url = tmp_path / "clip.mp4", f"sqlite:///{tmp_path / 'hoi.db'}"
    write_clip(clip, 9205, 3.0)
    chosen: Any = load(
        cameras=({"url": str(clip)},),
        bundle="world",
        database={"url": url},
        media=str(tmp_path / "media"),
        vectors=vectors,
        clips={"enabled": False},
    )
    with open_run(chosen) as run:
        for _ in run.rounds:
            pass
    with make_sessions(make_engine(url))() as session:
        tracks = [one for one in find_tracks(session) if one.frames > 30]
    assert tracks
    for one in tracks:
        assert (one.look is not None) is known
        assert one.look is None or np.linalg.norm(one.look.astype(float)) == pytest.approx(1, 1e-2)
    assert replace(tracks[0], look=None) == tracks[0]  # a look does not make it another track


def test_of_another_week_nobody_is_compared_where_there_are_enough(
    stored: sessionmaker[Session], monkeypatch: pytest.MonkeyPatch
) -> None:
    week = timedelta(days=7)
    with stored.begin() as session:
        both = track(30, "person", 1.0), track(31, "person", 1.0)
        later = [replace(one, first_seen=LATER + week, last_seen=LATER + week) for one in both]
        add_tracks(session, tracks=later)
    how = OpenVerbs(Hearing())

    def found() -> list[str]:
        with stored() as session:
            asked = understand_stored(
                session, "who in a striped shirt held a cup", now=LATER, open_verbs=how
            )
            return people(answer(session, asked, open_verbs=how, until=LATER))

    assert found() == ["gate:0:11"]  # the fourth of fourteen is not in the sixth
    monkeypatch.setattr("storage.looks._ENOUGH", 10)
    assert found() == ["gate:0:11", "gate:0:10"]


def test_a_look_that_was_read_can_be_taken_back() -> None:
    asked = understand(
        "who in a striped shirt held a wooden cup",
        verbs=["hold"],
        objects=["cup"],
        cameras=[],
        hears=lambda _: True,
    )
    meant = Correction.of(asked)
    assert meant.looks == ("in a striped shirt", "wooden")
    assert meant.applied(asked).clause == asked.clause
    clause = replace(meant, looks=("wooden",)).applied(asked).clause
    assert (clause.person_look, clause.thing_look) == (None, "wooden")
