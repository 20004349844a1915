"""Verbs that nobody configured: asked of the pair vectors that are stored."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import torch
from sqlalchemy.orm import Session, sessionmaker

from models.bundle import Bundle, load_bundle, write_manifest
from models.cmmp.weights import load_cmmp, save_cmmp
from models.scorer import load_scorer
from models.speech import BundleSpeech
from models.vocabulary import Verb, Vocabulary
from storage.ask import Answer, OpenVerbs, answer, understand_stored
from storage.pair_vectors import PairVector
from storage.question import Bound, Clause, Question, Relation, Step
from storage.repository import add_interactions
from storage.track_rows import add_pair_vectors
from storage.vector_rows import score_vectors
from tests.test_cmmp_scorer import BALL, CUP, PERSON, SECTION, WORDS, bundle, picture, tracked
from tests.test_interactions import NOON, make_interaction

__all__ = ["bundle"]  # a fixture
JUGGLE, ASKED = "juggling", ("juggle", "lean on")
LATER = NOON + timedelta(hours=1)


class Spoken:
    """Speaks for bundle "b": juggling is the first number of a vector, all else the second; so are
    stripes of what tracks look like."""

    def silence(self, bundle: str) -> str | None:
        return None if bundle == "b" else f"bundle {bundle} is not installed"

    def deaf(self, _bundle: str, sentence: str) -> str | None:
        return "never taught 'washing'" if "washing" in sentence else None

    def verbs(self, bundle: str) -> Mapping[str, str]:
        return {"hold": "a person holding an object"} if bundle == "b" else {}

    def prototypes(self, bundle: str, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        assert bundle == "b"
        return np.array([[1, 0] if JUGGLE in s else [0, 1] for s in sentences], np.float32)

    def plain(self, _bundle: str, sentences: Sequence[str]) -> npt.NDArray[np.float32]:
        return np.array([[0, 1] if "striped" in s else [1, 0] for s in sentences], np.float32)

    def calibration(self, bundle: str, _verb: str = "") -> tuple[float, float]:
        assert bundle == "b"
        return 2.0, 0.0

    def smoothing(self, _bundle: str) -> Mapping[str, float]:
        return {"tau": 0.3, "enter": 0.6}


def sample(second: float, juggles: float, throws: float = -5.0, **changes: object) -> PairVector:
    one = PairVector(
        camera="gate",
        moment="sample",
        human_track="gate:0:3",
        object_track="gate:0:4",
        object_class="sports ball",
        taken_at=NOON + timedelta(seconds=second),
        media_time=second,
        human_box=(0, 0, 10, 20),
        object_box=(5, 5, 8, 8),
        bundle="b",
        interaction=None,
        vector=np.array([juggles, throws], np.float16),
    )
    return replace(one, **changes)  # type: ignore[arg-type]


VECTORS = [
    *(sample(second, 1.0) for second in (0, 5, 10)),
    *(sample(second, -3.0) for second in (15, 20, 25)),
    sample(30, 3.0),
    *(
        sample(s, 2.0, 4.0, human_track="hall:0:3", object_track="hall:0:9", camera="hall")
        for s in (40, 45)
    ),
    sample(50, 2.5, object_track="gate:0:8", object_class="cup", human_track="gate:0:5"),
    sample(60, 4.0, bundle="gone"),
]


@pytest.fixture
def stored(both: sessionmaker[Session]) -> sessionmaker[Session]:
    with both.begin() as session:
        add_pair_vectors(session, vectors=VECTORS)
        peak = make_interaction(
            0,
            verb="hold",
            human_track="gate:0:3",
            object_track="gate:0:4",
            object_class="sports ball",
            bundle="b",
            vector=np.array([5, -5], np.float16),
        )
        length = timedelta(seconds=peak.peak_at - peak.media_start)
        began = NOON + timedelta(seconds=30) - length
        add_interactions(
            session, interactions=[replace(peak, started_at=began, ended_at=began + 2 * length)]
        )
    return both


def ask(sessions: sessionmaker[Session], question: str, least: float | None = None) -> Answer:
    known = OpenVerbs(Spoken(), least=least)
    with sessions() as session:
        asked = understand_stored(session, question, now=LATER, open_verbs=known)
        return answer(session, asked, open_verbs=known)


def times(told: Answer) -> list[tuple[float, float]]:
    return [
        tuple((t - NOON).total_seconds() for t in (one.started_at, one.ended_at))  # type: ignore[misc]
        for one in (row.interaction for row in told.rows)
    ]


def test_moments_are_told_likeliest_first_with_what_was_understood(
    stored: sessionmaker[Session],
) -> None:
    told = ask(stored, "who juggled what")
    assert times(told) == [(30, 30), (50, 50), (40, 45), (0, 10)]
    assert all(row.asked for row in told.rows)
    assert told.rows[1].cells[:2] == ("person 5 (gate)", "cup")
    assert told.rows[1].interaction.peak_score == pytest.approx(1 / (1 + np.exp(-5)))
    assert "juggled: juggle, asked of stored vectors" in map(str, told.understood)
    assert "bundle gone is not installed" in told.summary


@pytest.mark.parametrize(
    ("question", "found"),
    [
        ("who juggled a ball on gate", [(30, 30), (0, 10)]),
        ("did person 5 juggle something", [(50, 50)]),
        ("who juggled a ball, not throwing it", [(30, 30), (0, 10)]),
        ("who juggled a ball after 12:01", []),
        ("who juggled what first", [(0, 10)]),
        ("who juggled a ball for the longest time", [(0, 10)]),
        ("who juggled a bench", []),
        ("who juggled a ball while someone else juggled a cup", []),
        ("who juggled a ball then juggled it within 25 seconds", [(0, 10)]),
        ("who juggled a ball while holding it", [(30, 30)]),
        ("who threw a ball", [(40, 45)]),  # known to everybody, seen by no bundle
        ("who held a ball", [(25, 35)]),
    ],
)
def test_filters_steps_and_contrasts_hold(
    question: str, found: list[tuple[float, float]], stored: sessionmaker[Session]
) -> None:
    told = ask(stored, question)
    assert told.answerable, told.not_understood
    if "held" not in question:
        assert times(told) == found
    else:
        assert [row.asked for row in told.rows] == [False]


def test_what_goes_on_between_two_samples_is_going_on_at_an_instant(
    stored: sessionmaker[Session],
) -> None:
    picked_up = [
        make_interaction(
            n,
            verb="pick up",
            human_track="gate:0:3",
            object_track="gate:0:7",
            object_class="cup",
            started_at=NOON + timedelta(seconds=second),
            ended_at=NOON + timedelta(seconds=second),
        )
        for n, second in enumerate((3, 12, 20), start=1)
    ]
    with stored.begin() as session:
        add_interactions(session, interactions=picked_up)
    during = ask(stored, "who picked up a cup while juggling a ball")
    assert sorted(times(during)) == [(3, 3), (12, 12)]
    juggled = Clause(phrases=("juggle",), objects=("sports ball",))
    while_not = Step(Relation.WHILE, juggled, negated=True, person=Bound.SAME)
    question = Question("", Clause(("pick up",), ("cup",)), (while_not,))
    with stored() as session:
        assert times(answer(session, question, open_verbs=OpenVerbs(Spoken()))) == [(20, 20)]
    assert times(ask(stored, "who juggled a ball while picking up a cup")) == [(0, 10)]
    later = ask(stored, "who picked up a cup and then juggled a ball")
    began = {row.evidence[0].started_at for row in later.rows}
    assert began == {NOON + timedelta(seconds=30)}  # none that had begun before


def test_a_threshold_is_the_caller_s(stored: sessionmaker[Session]) -> None:
    assert len(ask(stored, "who juggled what", least=0.99).rows) == 2
    assert ask(stored, "did anyone juggle a bench").yes is False


def test_a_word_that_the_bundle_never_heard_finds_nothing_and_is_named(
    stored: sessionmaker[Session],
) -> None:
    told = ask(stored, "who washed what")
    assert (told.rows, told.answerable) == ((), True)
    assert "never taught 'washing'" in told.summary
    speech, eyes = BundleSpeech(), load_bundle("world").hash
    known = OpenVerbs(speech)
    wash, clutch = known.sentences(eyes, ["wash", "clutch"])
    assert speech.deaf(eyes, wash) == "bundle world was never taught the word 'washing'"
    assert speech.deaf(eyes, clutch) is None
    assert all(speech.deaf(eyes, sentence) is None for sentence in speech.verbs(eyes).values())


def test_what_is_no_verb_is_not_understood(stored: sessionmaker[Session]) -> None:
    for question in ("who flurbed the cup", "who held the hammer", "who juggled the flurb"):
        assert not ask(stored, question).answerable


def with_verbs(bundle: Bundle, folder: Path, verbs: tuple[Verb, ...]) -> Bundle:
    """The same weights, told other verbs."""
    folder.mkdir()
    words = Vocabulary("other", verbs, WORDS.objects, ((0, 1), (), (0, 1)))
    model = load_cmmp(SECTION, bundle.folder, WORDS)
    with torch.no_grad():
        model.prototypes = model.encode_prompts([verb.sentence for verb in verbs])
    save_cmmp(model, SECTION, folder)
    manifest = bundle.manifest.model_copy(
        update={"vocabulary": words.to_dict(), "calibration": {}, "name": folder.name}
    )
    write_manifest(folder, manifest)
    return load_bundle(str(folder))


def test_a_verb_asked_later_has_the_logits_it_would_have_had_live(
    bundle: Bundle, tmp_path: Path, sessions: sessionmaker[Session]
) -> None:
    """The bound is what rounding the vector to float16 does: half a unit of each product."""
    said = OpenVerbs(BundleSpeech(str(bundle.folder))).sentences(bundle.hash, ASKED)
    verbs = tuple(map(Verb, ASKED, said))
    live = load_scorer(with_verbs(bundle, tmp_path / "live", verbs))
    rows = [PERSON, CUP, BALL]
    frames = [tracked(rows) for _ in range(3)]
    images = [picture(n) for n in range(3)]
    wanted = live.score(images, frames)
    seen = load_scorer(bundle).score(images, frames)
    start = datetime(2026, 5, 1, tzinfo=UTC)
    vectors = [
        sample(
            n,
            0,
            taken_at=start + timedelta(seconds=n),
            object_track=f"gate:0:{thing}",
            bundle=bundle.hash,
            vector=scores.vectors[pair],
        )
        for n, scores in enumerate(seen)
        for pair, thing in enumerate(scores.object)
    ]
    with sessions.begin() as session:
        add_pair_vectors(session, vectors=vectors)
        speech = BundleSpeech(str(bundle.folder))
        assert speech.silence(bundle.hash) is None
        prototypes = speech.prototypes(bundle.hash, [verb.sentence for verb in verbs])
        np.testing.assert_allclose(prototypes, live.prototypes, atol=1e-5)
        found = score_vectors(session, bundle.hash, prototypes, {})
    assert len(found.logits) == sum(len(scores.logits) for scores in wanted) == 6
    for row, logits in enumerate(found.logits):
        frame = round(found.seconds[row] - start.timestamp())
        thing = int(found.pairs[found.pair[row]][1].rsplit(":", 1)[1])
        pair = wanted[frame].object.tolist().index(thing)
        bound = np.abs(wanted[frame].vectors[pair].astype(np.float32)) @ np.abs(prototypes.T)
        assert (np.abs(logits - wanted[frame].logits[pair]) <= bound * 2.0**-10 + 1e-5).all()


def test_bundles_that_hear_no_text_say_so() -> None:
    speech = BundleSpeech()
    boxes = load_bundle("boxes")
    assert "boxes hears no text" in (speech.silence(boxes.hash) or "")
    assert "hold" in speech.verbs(boxes.hash)
    assert "not installed" in (speech.silence("0123") or "")
