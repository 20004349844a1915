"""A verb asked of a video that is gone is told as if it had been configured before.

The bundle `world` watches a rendered clip twice: without the verb, and with it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import supervision as sv
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from sqlalchemy import delete, select

from configs.settings import load
from models.bundle import Manifest, load_bundle, write_manifest
from models.pairs import PairScores
from models.speech import BundleSpeech
from models.vocabulary import Verb, Vocabulary
from models.world.clip import write_clip
from storage.ask import OpenVerbs, answer, understand_stored
from storage.database import Sessions, make_engine, make_sessions
from storage.interactions import Interaction, Phase
from storage.repository import find_interactions
from storage.smoothing import VerbSmoothing
from storage.tables import PairVectorRow
from storage.windows import find_windows, smoothed
from stream.build import open_run
from stream.events import EventMaker, Lifecycle
from stream.frames import Frame, Round, ScoredFrame, changes_of
from stream.recording import without
from stream.smooth import Smoother, Smoothing
from tests.test_interactions import NOON

VERB, QUESTION = "read", "who read what"
SEED, SECONDS, FRAME = 9205, 6.0, 0.08  # somebody reads a book
EYES = load_bundle("world")
TAU = float(EYES.smoothing["default"]["tau"])
NO_IMAGE = np.zeros((1, 1, 3), np.uint8)
PAIR = sv.Detections(
    xyxy=np.array([[0, 0, 10, 20], [5, 5, 8, 8]], np.float32),
    class_id=np.array([0, 1]),
    tracker_id=np.array([1, 2]),
    data={"class_name": np.array(["person", "cup"], dtype=object)},
)


@dataclass(frozen=True)
class Watched:
    """A run's database, and what knows its bundle."""

    sessions: Sessions
    bundle: Path

    def asked(self, every: float) -> list[Interaction]:
        known = OpenVerbs.of(BundleSpeech(str(self.bundle)), every, {})
        with self.sessions() as session:
            now = datetime.now(UTC)
            question = understand_stored(session, QUESTION, now=now, open_verbs=known)
            rows = answer(session, question, open_verbs=known).rows
        assert all(row.asked for row in rows)
        return sorted((row.interaction for row in rows), key=lambda one: one.media_start)

    def told(self) -> list[Interaction]:
        with self.sessions() as session:
            found = find_interactions(session, verbs=[VERB])
        return sorted(found, key=lambda one: one.media_start)

    def vectors(self) -> dict[tuple[str, str, float], Any]:
        with self.sessions() as session:
            rows = session.scalars(select(PairVectorRow).where(PairVectorRow.moment == "sample"))
            return {(r.human_track, r.object_track, round(r.media_time, 3)): r.vector for r in rows}

    def thin(self, every: float) -> None:
        """As a run would have stored it that samples less often."""
        due, times = 0.0, {at for _, _, at in self.vectors()}
        kept = []
        for at in sorted(times):
            if at >= due - 1e-6:
                kept.append(at)
                due = max(due + every, at + every / 2)
        row = PairVectorRow
        gone = [at for at in times if at not in kept]
        with self.sessions.begin() as session:
            for at in gone:
                near = row.media_time.between(at - 1e-2, at + 1e-2)
                session.execute(delete(row).where(row.moment == "sample", near))


def bundle_of(folder: Path, vocabulary: Mapping[str, Any]) -> Path:
    """`world` with another vocabulary; its texts are encoded when it is loaded."""
    folder.mkdir()
    for name in EYES.manifest.files:
        (folder / name).write_bytes(EYES.path(name).read_bytes())
    weights = load_file(EYES.path("cmmp.safetensors"))
    own = {name: value for name, value in weights.items() if not name.startswith("texts.")}
    save_file(own, folder / "cmmp.safetensors")
    row = EYES.manifest.model_dump()
    row["calibration"] = {k: v for k, v in row["calibration"].items() if k != VERB}
    row["scorer"]["sizes"]["verbs"] = len(vocabulary["verbs"])
    row["smoothing"]["exclusive"] = [v for v in row["smoothing"]["exclusive"] if v != VERB]
    write_manifest(folder, Manifest.model_validate({**row, "vocabulary": vocabulary}))
    return folder


def watch(folder: Path, bundle: Path, clip: Path) -> Watched:
    url = f"sqlite:///{folder / (bundle.name + '.db')}"
    chosen: Any = load(
        cameras=({"url": str(clip)},),
        bundle=str(bundle),
        database={"url": url},
        media=str(folder / bundle.name / "media"),
        vectors={"every_seconds": FRAME},
        clips={"enabled": False},
    )
    with open_run(chosen) as run:
        for _ in run.rounds:
            pass
    return Watched(make_sessions(make_engine(url)), bundle)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Watched, Watched]:
    """Without the verb, and with it: of any thing, calibrated and smoothed like any other."""
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("retroactive")
    clip = folder / "clip.mp4"
    write_clip(clip, SEED, SECONDS)
    fewer = without(EYES.vocabulary, frozenset((VERB,))).to_dict()
    read = next(verb for verb in EYES.vocabulary.to_dict()["verbs"] if verb["name"] == VERB)
    more = {
        **fewer,
        "verbs": [*fewer["verbs"], read],
        "allowed": [[*row, len(fewer["verbs"])] for row in fewer["allowed"]],
    }
    lacking = watch(folder, bundle_of(folder / "lacking", fewer), clip)
    having = watch(folder, bundle_of(folder / "having", more), clip)
    return lacking, having


def spans(found: list[Interaction]) -> list[tuple[str, str, float, float]]:
    return [
        (one.human_track, one.object_track, round(one.media_start, 3), round(one.media_end, 3))
        for one in found
    ]


def test_every_frame_stored_the_moments_are_those_that_would_have_been_told(
    runs: tuple[Watched, Watched],
) -> None:
    lacking, having = runs
    assert lacking.told() == []
    told = having.told()
    assert len(told) == 1
    assert told[0].object_class == "book"
    asked = lacking.asked(FRAME)
    assert spans(asked) == spans(told)
    assert asked[0].peak_score == pytest.approx(told[0].peak_score, abs=0.01)
    seen, known = lacking.vectors(), having.vectors()
    assert seen.keys() == known.keys()
    for pair, vector in seen.items():
        np.testing.assert_allclose(vector, known[pair], rtol=2**-10)


@pytest.mark.parametrize("every", [0.5, 1.0, 2.0])
def test_ends_are_known_to_a_sampling_interval_and_what_the_filter_lags(
    runs: tuple[Watched, Watched], every: float
) -> None:
    """Each test leaves fewer samples than the one before."""
    lacking, having = runs
    lacking.thin(every)
    (told,), (asked,) = having.told(), lacking.asked(every)
    assert (asked.human_track, asked.object_track) == (told.human_track, told.object_track)
    assert abs(asked.media_start - told.media_start) <= every + 2 * TAU
    assert abs(asked.media_end - told.media_end) <= every + 2 * TAU


WORDS = Vocabulary("", (Verb("do", "doing"),), ("cup",), ((0,),))
LIKE_LIVE = {"tau": 0.3, "enter": 0.6, "leave": 0.35, "min_seconds": 0.3, "merge_seconds": 0.6}


def live_spans(evidence: list[float], step: float) -> list[tuple[float, float]]:
    """What the stages make of one pair that is seen in every frame."""
    smoothing = Smoothing.from_dict(WORDS.verb_names, {"default": LIKE_LIVE})
    maker = EventMaker(WORDS, smoothing, Lifecycle(carry=()), bundle="", config="")
    one, other = np.array([1]), np.array([2])
    rounds = [
        Round(
            (
                ScoredFrame(
                    Frame("c", n, 0, n * step, NOON + timedelta(seconds=n * step), NO_IMAGE),
                    PAIR,
                    PairScores(one, other, odds, np.zeros((1, 1), np.float16), odds),
                ),
            )
        )
        for n, odds in enumerate(np.array(evidence, np.float32).reshape(-1, 1, 1))
    ]
    changes = [
        change
        for round_ in maker.events(Smoother(smoothing).smooth(rounds))
        for change in changes_of(round_)
    ]
    ended = [c.interaction for c in changes if c.interaction.phase is Phase.END]
    return [(one.media_start, one.media_end) for one in ended]


def asked_spans(evidence: list[float], step: float, every: float) -> list[tuple[float, float]]:
    """The same from samples."""
    kept = range(0, len(evidence), round(every / step))
    seconds, odds = np.array(kept) * step, np.array(evidence)[kept]
    pair, smoothing = np.zeros(len(kept), np.int64), VerbSmoothing(**LIKE_LIVE)
    beliefs = smoothed(pair, seconds, odds, smoothing, every)
    windows = find_windows(pair, seconds, beliefs, smoothing, every=every)
    return [(seconds[first], seconds[last]) for first, last in (w.ends for w in windows)]


ODDS = st.sampled_from([-5.0, -3.0, -1.0, 1.0, 3.0, 5.0])


@given(st.lists(st.tuples(st.integers(1, 12), ODDS), min_size=1, max_size=25))
@settings(deadline=None, max_examples=200)
def test_stored_frames_are_read_as_the_stages_read_them(parts: list[tuple[int, float]]) -> None:
    evidence = [-20.0, *(odds for times, odds in parts for _ in range(times))]
    found, wanted = asked_spans(evidence, FRAME, FRAME), live_spans(evidence, FRAME)
    assert len(found) == len(wanted)
    np.testing.assert_allclose(np.array(found), np.array(wanted), atol=1e-6)


@given(
    st.sampled_from([0.4, 0.8, 1.6, 4.8]),
    st.lists(st.tuples(st.floats(1, 3), st.floats(1, 3)), min_size=1, max_size=5),
    st.floats(0, 1),
)
@settings(deadline=None, max_examples=100)
def test_acts_and_pauses_that_are_longer_than_a_sampling_interval_are_told_apart(
    every: float, acts: list[tuple[float, float]], early: float
) -> None:
    """Of clear evidence, two sampling intervals of quiet before and after."""
    least = every + 1.0  # what the filter needs, and what joins pauses, besides
    quiet = [-4.0] * round((1 + early) * least / FRAME)
    evidence = list(quiet)
    for act, pause in acts:
        evidence += [4.0] * round(act * least / FRAME) + [-4.0] * round(pause * least / FRAME)
    found, wanted = asked_spans(evidence, FRAME, every), live_spans(evidence, FRAME)
    assert len(found) == len(wanted) == len(acts)
    for asked, told in zip(found, wanted, strict=True):
        assert np.abs(np.subtract(asked, told)).max() <= every + 2 * LIKE_LIVE["tau"]
