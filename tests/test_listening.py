"""The verbs of standing questions join what is scored while a run goes on."""

import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from configs.settings import load
from models.bundle import Bundle, Calibration, Manifest, load_bundle, write_manifest
from models.cmmp_scorer import CMMPScorer
from models.pairs import PairScores
from models.scorer import load_scorer
from models.vocabulary import Verb, Vocabulary
from storage.alert_rows import recent_alerts
from storage.database import make_engine, make_sessions, upgrade
from storage.names import verbs_seen
from storage.speech import sentence_pattern
from storage.standing import Standing, understand_standing
from storage.standing_rows import all_standing, save_standing
from storage.words import gerund
from stream.build import open_run
from stream.events import EventMaker, Lifecycle
from stream.frames import Frame, Round, ScoredFrame
from stream.listening import Listening
from stream.smooth import Smoother, Smoothing
from tests.conftest import MakeVideo
from tests.test_cmmp_scorer import BALL, CUP, PERSON, WORDS, picture, tracked
from tests.test_cmmp_scorer import bundle as tiny  # noqa: F401  # a fixture

WASH = Verb("wash", "a person washing a thing")


@pytest.fixture
def scorer(tiny: Bundle) -> CMMPScorer:  # noqa: F811
    made = load_scorer(tiny)
    assert isinstance(made, CMMPScorer)
    return made


def test_a_verb_that_joins_is_scored_as_one_that_was_there(scorer: CMMPScorer) -> None:
    found = [tracked([PERSON, CUP, BALL])]
    (before,) = scorer.score([picture(0)], found)
    assert scorer.listen([WASH, WORDS.verbs[0]]) == ()
    (after,) = scorer.score([picture(0)], found)
    assert list(scorer.verb_names) == ["hold", "kick", "wash"]
    np.testing.assert_allclose(after.logits[:, :2], before.logits, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(after.evidence[:, :2], before.evidence, rtol=1e-5, atol=1e-6)
    kick = replace(WORDS.verbs[1], name="kick again")
    scorer.listen([kick])
    (again,) = scorer.score([picture(0)], found)
    np.testing.assert_allclose(again.logits[:, 3], again.logits[:, 1], rtol=1e-4, atol=1e-5)
    assert np.isneginf(again.evidence[:, 2]).all(), "nobody asks for it any more"
    assert np.isfinite(again.evidence[:, 3]).all(), "with every class of thing"
    scorer.listen([WASH])
    (back,) = scorer.score([picture(0)], found)
    assert list(scorer.verb_names) == ["hold", "kick", "wash", "kick again"]
    np.testing.assert_allclose(back.evidence[:, 2], after.evidence[:, 2], rtol=1e-5)


def test_bundles_without_a_text_tower_say_what_they_cannot_hear() -> None:
    bundle = load_bundle("world-boxes")
    listening = Listening(load_scorer(bundle), bundle.vocabulary, told_anyway=("pick up",))
    assert listening(["wash", "hold", "pick up"]) == {"wash"}


def test_a_small_tower_says_which_words_it_was_never_taught() -> None:
    bundle = load_bundle("world")
    listening = Listening(load_scorer(bundle), bundle.vocabulary)
    assert listening(["wash", "clutch", "hold"]) == {"wash"}


def test_sentences_are_made_as_the_vocabulary_s_are() -> None:
    assert pattern_of(WORDS) == "a person {} a thing"
    assert pattern_of(load_bundle("world").vocabulary) == "a photo of a person {} an object"
    assert gerund("sit on") == "sitting on"


def pattern_of(words: Vocabulary) -> str:
    return sentence_pattern({verb.name: verb.sentence for verb in words.verbs})


def test_beliefs_and_events_grow_with_the_scores() -> None:
    names = ("hold", "kick")
    smoothing = Smoothing.from_dict(names, {"default": {"tau": 0.1}})
    frames = [scored(n, verbs=2 if n < 20 else 3) for n in range(60)]
    smoother = Smoother(smoothing)
    maker = EventMaker(
        WORDS, smoothing, Lifecycle(), bundle="b", config="c", names=lambda: (*names, "wash", "x")
    )
    rounds = maker.events(smoother.smooth(Round((frame,)) for frame in frames))
    told = [change.interaction for r in rounds for f in r.frames for change in f.changes]
    assert [(one.verb, one.phase) for one in told] == [("hold", "start"), ("wash", "start")]
    assert told[1].media_start == pytest.approx(20 / 25, abs=0.2)


def scored(number: int, *, verbs: int) -> ScoredFrame:
    """Frame of a person who holds a cup and, for all one can see, washes it; every tenth is
    without pairs, as wide as at the beginning."""
    start = datetime(2026, 1, 1, tzinfo=UTC)
    frame = Frame("gate", number, 0, number / 25, start, picture(0))
    evidence = np.array([[5.0, -5.0, 5.0]], np.float32)[:, :verbs]
    ids = np.array([1]), np.array([2])
    pairs = PairScores(*ids, evidence, np.zeros((1, 4), np.float16), evidence)
    if number % 10 == 9:
        none, nobody = np.zeros((0, 2), np.float32), np.zeros(0, np.int64)
        pairs = PairScores(nobody, nobody, none, np.zeros((0, 0), np.float16), none)
    return ScoredFrame(frame, tracked([PERSON, CUP]), pairs)


def sure_bundle(tiny: Bundle, folder: Path) -> Path:  # noqa: F811
    """Its verbs and all that join are certain of every pair they may be done with."""
    folder.mkdir()
    for file in tiny.manifest.scorer.files:
        (folder / file).write_bytes(tiny.path(file).read_bytes())
    certain = {name: Calibration(scale=0, bias=6) for name in ("hold", "kick")}
    row: dict[str, Any] = {**tiny.manifest.model_dump(), "calibration": certain}
    write_manifest(folder, Manifest.model_validate(row))
    return folder


def test_a_question_saved_during_a_run_makes_an_interaction_and_an_alert(
    tiny: Bundle,  # noqa: F811
    detector: Path,
    make_video: MakeVideo,
    tmp_path: Path,
) -> None:
    torch.set_num_threads(1)
    video = make_video(frames=200)
    settings: Any = load(
        cameras=({"url": str(video)},),
        bundle=str(sure_bundle(tiny, tmp_path / "sure")),
        detector=str(detector),
        database={"url": f"sqlite:///{tmp_path / 'e.db'}"},
        media=str(tmp_path / "media"),
    )
    engine = make_engine(settings.database.url)
    upgrade(engine)
    sessions = make_sessions(engine)
    with open_run(settings) as run:
        for number, _ in enumerate(run.rounds):
            if number == 20:
                with sessions.begin() as session:
                    asked = understand_standing(session, "who washed a cup", now=datetime.now(UTC))
                    save_standing(session, Standing("wash", asked))
                time.sleep(2.5)  # the files wait, the question is noticed
    with sessions() as session:
        assert verbs_seen(session) == ["hold", "wash"]
        (alert,) = recent_alerts(session)
        assert all_standing(session)[0].trouble is None
    engine.dispose()
    told = alert.body["interaction"]
    assert (told["verb"], told["object_class"]) == ("wash", "cup")
    assert 0.5 < told["media_start"] < 4, "since it was asked for"


def test_a_run_that_cannot_hear_a_verb_says_so_in_the_list(
    video: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings: Any = load(
        cameras=({"url": str(video)},),
        bundle="world-boxes",
        database={"url": f"sqlite:///{tmp_path / 'e.db'}"},
        media=str(tmp_path / "media"),
    )
    engine = make_engine(settings.database.url)
    upgrade(engine)
    sessions = make_sessions(engine)
    with sessions.begin() as session:
        asked = understand_standing(session, "who washed a cup", now=datetime.now(UTC))
        save_standing(session, Standing("wash", asked))
    with open_run(settings) as run:
        for _ in run.rounds:
            pass
    with sessions() as session:
        (standing,) = all_standing(session)
    engine.dispose()
    assert standing.trouble == "the running bundle does not see: wash"
    assert caplog.text.count("does not see: wash") == 1
