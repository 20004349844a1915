"""`stream evaluate ask`: held-out footage into a real database, then questions put to it.

The vocabulary lacks a few verbs, which are asked for all the same. Beside the program answer two
that know less: one that ignores verbs, and one that compares sentences with pair vectors.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import supervision as sv

from models.bundle import Bundle
from models.datasets.detections import DetectionCache
from models.evaluation.ask_questions import Asked
from models.evaluation.ask_scores import KindRow, Outcome, Reply, mark, table
from models.evaluation.ask_words import WORDS
from models.evaluation.asking import make_questions
from models.evaluation.diary import Diary, Found
from models.pairs import PairScores
from models.scorer import PairScorer
from models.speech import BundleSpeech
from models.tracker import Tracker
from models.vocabulary import Vocabulary
from models.world.truth import ACTS, PICK_UP, PUT_DOWN
from storage.ask import answer
from storage.certainty import find_moments
from storage.chances import APART
from storage.database import Sessions, make_engine, make_sessions, upgrade
from storage.filters import Filters
from storage.grammar import understand
from storage.interactions import Interaction
from storage.names import cameras
from storage.outbox import Outbox
from storage.question import AskError, Question
from storage.relay import DatabaseSink, Relay
from storage.sequences import clause_filters
from storage.speech import OpenVerbs, Speaks
from storage.vector_rows import look_at, score_vectors
from stream.careful import Careful, Quarantine
from stream.deliver import Deliver
from stream.evaluate_chances import ChanceRow, evaluate_chances
from stream.events import EventMaker, Lifecycle
from stream.footage import NOW, Take, watch
from stream.frames import DetectedFrame, Image, Round
from stream.score import Score, ScorePairs
from stream.smooth import Smoother, Smoothing
from stream.stats import Timing
from stream.track import Track

OPEN_VERBS = frozenset(("read", "push", "talk on"))  # left out of the vocabulary
_SAMPLE_SECONDS = 1.0  # how often vectors of pairs are kept
_EVERY = timedelta(seconds=_SAMPLE_SECONDS)
_ROWS = 50
_FLUSH_SECONDS = 120.0


@dataclass(frozen=True)
class AskReport:
    """What `stream evaluate ask` prints: a table for everybody who answered."""

    clips: int
    minutes: float
    tables: Mapping[str, Sequence[KindRow]]
    outcomes: Sequence[Outcome] = field(repr=False)  # of the program
    chances: Sequence[ChanceRow] = ()  # none: not asked for, or the bundle hears no text


def evaluate_ask(
    bundle: Bundle,
    scorer: PairScorer,
    takes: Sequence[Take],
    cache: DetectionCache,
    *,
    questions: int,
    false_alarms: bool = False,
    on_frame: Callable[[], None] = lambda: None,
) -> AskReport:
    """Watches the takes, asks, and marks the answers."""
    diary = Diary((take.camera, take.began.timestamp(), take.truth) for take in takes)
    asked = make_questions(diary, questions, now=NOW, open_verbs=OPEN_VERBS)
    with tempfile.TemporaryDirectory() as folder, _database(Path(folder)) as sessions:
        vocabulary = without(bundle.vocabulary, OPEN_VERBS)
        rounds = watch(takes, cache, on_frame=on_frame)
        record(bundle, vocabulary, scorer, rounds, sessions, Path(folder))
        speech = _speech(bundle, vocabulary)
        program = Program(sessions, vocabulary, speech)
        prior = _prior()
        answers = {
            "program": [mark(diary, one, program.answer(one)) for one in asked],
            "object prior": [mark(diary, one, program.by_prior(one, prior)) for one in asked],
        }
        if speech is not None:
            plain = PlainText(sessions, bundle, speech)
            answers["plain sentences"] = [
                mark(diary, one, plain.answer(one, program.understood(one))) for one in asked
            ]
        chances: Sequence[ChanceRow] = ()
        if false_alarms and speech is not None:
            chances = evaluate_chances(
                sessions, OpenVerbs(speech, every=_EVERY), bundle.hash, takes
            )
    minutes = sum(take.truth.frames[-1].seconds for take in takes) / 60
    tables = {name: table(outcomes) for name, outcomes in answers.items()}
    return AskReport(len(takes), minutes, tables, answers["program"], chances)


class Program:
    """The program's own answers, and those of one that ignores verbs."""

    def __init__(
        self, sessions: Sessions, vocabulary: Vocabulary, speech: Speaks | None = None
    ) -> None:
        """`speech`: without it nobody can be asked for other verbs."""
        self._sessions, self._vocabulary = sessions, vocabulary
        self._how = None if speech is None else OpenVerbs(speech, every=_EVERY)

    def answer(self, asked: Asked) -> Reply:
        question = self.understood(asked)
        return Reply((), understood=False) if question is None else self._reply(question)

    def by_prior(self, asked: Asked, prior: Mapping[tuple[str, str], float]) -> Reply:
        """Whatever was done with such a thing, by how often the verb goes with the thing."""
        question = self.understood(asked)
        if question is None:
            return Reply((), understood=False)
        reply = self._reply(replace(question, clause=replace(question.clause, verbs=())))
        score = prior.get((asked.verb, asked.thing), 0.0)
        return replace(reply, rows=tuple(replace(row, score=score) for row in reply.rows))

    def understood(self, asked: Asked) -> Question | None:
        with self._sessions() as session:
            try:
                question = understand(
                    asked.text,
                    verbs=self._vocabulary.verb_names,
                    objects=self._vocabulary.objects,
                    cameras=cameras(session),
                    now=NOW,
                    zone=UTC,
                    open_verbs=self._how is not None,
                )
            except AskError:
                return None
        return question if question.answerable else None

    def _reply(self, question: Question) -> Reply:
        with self._sessions() as session:
            try:
                found = answer(session, question, until=NOW, limit=_ROWS, open_verbs=self._how)
            except AskError:
                return Reply((), understood=False)
        rows = tuple(_found(row.interaction) for row in found.rows)
        return Reply(rows, found.number, found.yes)


class PlainText:
    """How near stored vectors are to one sentence with verb and thing: no events, no threshold."""

    def __init__(self, sessions: Sessions, bundle: Bundle, speech: Speaks) -> None:
        self._sessions, self._bundle, self._speech = sessions, bundle, speech

    def answer(self, asked: Asked, question: Question | None) -> Reply:
        """The nearest moments within the question's places, times and looks; order is not known."""
        if question is None or not asked.verb:
            return Reply((), understood=question is not None)
        prototypes = self._speech.prototypes(self._bundle.hash, [_sentence(asked)])
        with self._sessions() as session:
            filters: Filters = {
                "camera": question.camera,
                "since": question.since,
                "until": min(question.until or NOW, NOW),
                **clause_filters(session, replace(question.clause, verbs=(), phrases=())),
            }
            scores = score_vectors(session, self._bundle.hash, prototypes, filters)
            logits = scores.logits[:, 0].astype(np.float64)
            rows = find_moments(logits, scores.pair, scores.seconds, APART)
            rows = rows[np.argsort(-logits[rows], kind="stable")][:_ROWS]
            views = look_at(session, scores, rows.tolist())
        found = []
        for row in rows.tolist():
            view, at = views[row], float(scores.seconds[row])
            found.append(
                Found(view.camera, at, at, at, view.human_box, view.object_box, logits[row])
            )
        return Reply(tuple(found))


def _sentence(asked: Asked) -> str:
    gerund = WORDS[asked.verb].gerund.format(f"a {asked.thing}")
    return f"a photo of a person {gerund}"


class _Narrow:
    """The text tower of a bundle that was watched with fewer verbs."""

    def __init__(self, speech: Speaks, vocabulary: Vocabulary) -> None:
        self._speech, self._vocabulary = speech, vocabulary
        self.silence, self.deaf, self.prototypes = speech.silence, speech.deaf, speech.prototypes
        self.calibration, self.smoothing = speech.calibration, speech.smoothing

    def verbs(self, _bundle: str) -> Mapping[str, str]:
        return {verb.name: verb.sentence for verb in self._vocabulary.verbs}


def _speech(bundle: Bundle, vocabulary: Vocabulary) -> Speaks | None:
    speech = BundleSpeech(str(bundle.folder))
    return None if speech.silence(bundle.hash) else _Narrow(speech, vocabulary)


def record(
    bundle: Bundle,
    vocabulary: Vocabulary,
    scorer: PairScorer,
    rounds: Iterator[Round[DetectedFrame]],
    sessions: Sessions,
    folder: Path,
) -> None:
    """The real stages behind the detector, down to the database."""
    quarantine = Quarantine(folder / "quarantine")
    scored = FewerVerbs(scorer, bundle.vocabulary, vocabulary)
    careful: ScorePairs = Careful(
        "score",
        lambda items: scored.score(*zip(*items, strict=True)),
        quarantine,
        Timing(),
    )
    classes: Sequence[str] = bundle.manifest.detector.classes or ()
    tracking: Mapping[str, Any] = bundle.tracking
    smoothing = Smoothing.from_dict(vocabulary.verb_names, bundle.smoothing)
    events = EventMaker(
        vocabulary,
        smoothing,
        Lifecycle.from_dict(bundle.events),
        bundle=bundle.hash,
        config="",
        sample_seconds=_SAMPLE_SECONDS,
    )
    outbox = Outbox(folder / "outbox.db")
    with closing(outbox), Relay(outbox, [DatabaseSink(sessions)]) as relay:
        tracked = Track(lambda: Tracker(classes, **tracking), quarantine).track(rounds)
        smoothed = Smoother(smoothing).smooth(Score(careful, vocabulary).score(tracked))
        for _ in Deliver(outbox.append, folder).deliver(events.events(smoothed)):
            pass
        if not relay.flush(_FLUSH_SECONDS):
            raise RuntimeError("the database of the benchmark does not take its events")


class FewerVerbs:
    """A scorer that knows fewer verbs; its pair vectors are the same."""

    def __init__(self, scorer: PairScorer, whole: Vocabulary, fewer: Vocabulary) -> None:
        self._scorer = scorer
        self._kept = [whole.verb_names.index(name) for name in fewer.verb_names]

    def score(
        self, images: Sequence[Image], detections: Sequence[sv.Detections]
    ) -> list[PairScores]:
        return [
            replace(
                scores,
                logits=scores.logits[:, self._kept],
                evidence=scores.evidence[:, self._kept],
            )
            for scores in self._scorer.score(images, detections)
        ]


def without(vocabulary: Vocabulary, verbs: frozenset[str]) -> Vocabulary:
    kept = [i for i, verb in enumerate(vocabulary.verbs) if verb.name not in verbs]
    place = {old: new for new, old in enumerate(kept)}
    allowed = tuple(tuple(place[v] for v in row if v in place) for row in vocabulary.allowed)
    return replace(vocabulary, verbs=tuple(vocabulary.verbs[i] for i in kept), allowed=allowed)


def _found(one: Interaction) -> Found:
    start = one.started_at.timestamp()
    return Found(
        one.camera,
        start,
        one.ended_at.timestamp(),
        start + one.peak_at - one.media_start,
        one.human_box,
        one.object_box,
        one.peak_score,
    )


def _prior() -> dict[tuple[str, str], float]:
    """(verb, thing) -> how often the verb, of all that people of the world do with such a thing."""
    acts = {**ACTS, PICK_UP: ACTS["hold"], PUT_DOWN: ACTS["hold"]}
    often = {(verb, thing): 1 / len(things) for verb, things in acts.items() for thing in things}
    totals: dict[str, float] = {}
    for (_, thing), share in often.items():
        totals[thing] = totals.get(thing, 0.0) + share
    return {(verb, thing): share / totals[thing] for (verb, thing), share in often.items()}


@contextmanager
def _database(folder: Path) -> Iterator[Sessions]:
    engine = make_engine(f"sqlite:///{folder / 'ask.db'}")
    upgrade(engine)
    try:
        yield make_sessions(engine)
    finally:
        engine.dispose()
