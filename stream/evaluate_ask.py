"""`stream evaluate ask`: held-out footage into a real database, then questions put to it.

The vocabulary lacks a few verbs, which are asked for all the same. Beside the program answer two
that know less, one that ignores verbs and one that compares sentences with pictures, and the
program itself over what truly happened: what is wrong there was not understood or not found.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from models.bundle import Bundle, load_bundle
from models.evaluation.ask_questions import Asked
from models.evaluation.ask_scores import KindRow, Outcome, Reply, mark, table
from models.evaluation.asking import make_questions
from models.evaluation.diary import Diary
from models.evaluation.union_clip import UnionClip
from models.speech import BundleSpeech
from models.vocabulary import Vocabulary
from storage.database import Sessions, make_engine, make_sessions, upgrade
from storage.outbox import OutboxRow
from storage.pair_vectors import PairVector
from storage.relay import DatabaseSink
from storage.repository import add_interactions
from storage.speech import OpenVerbs, Speaks
from storage.track_rows import add_tracks
from storage.tracks import Track
from stream.answerers import EVERY, PlainClip, Program, object_prior
from stream.evaluate_chances import ChanceRow, evaluate_chances
from stream.footage import NOW, Slot, Take, film
from stream.recording import PLAIN_CLIP, Recorder, without
from stream.true_events import true_interactions, true_tracks
from stream.union_samples import UNION

OPEN_VERBS = frozenset(("read", "push", "talk on"))  # left out of the vocabulary
PROGRAM, PRIOR = "program", "object prior"


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
    detector: str,
    slots: Sequence[Slot],
    *,
    questions: int,
    seed: int = 1,
    false_alarms: bool = False,
    on_take: Callable[[int], None] = lambda _: None,
) -> AskReport:
    """Watches what was not watched yet, asks, and marks the answers."""
    recorder = Recorder(str(bundle.folder), detector, OPEN_VERBS)
    recorder.record(slots, on_take=on_take)
    takes = [film(slot) for slot in slots]
    diary = Diary((take.camera, take.began.timestamp(), take.truth) for take in takes)
    asked = make_questions(diary, questions, now=NOW, open_verbs=OPEN_VERBS, seed=seed)
    vocabulary = without(bundle.vocabulary, OPEN_VERBS)
    speech = _speech(bundle, vocabulary)
    chances: Sequence[ChanceRow] = ()
    with ExitStack() as stack:
        told, seen, truth = (stack.enter_context(_database()) for _ in range(3))
        for slot in slots:
            for rows in recorder.rows(slot):
                _send(rows, told, seen)
        _tell_truth(diary, takes, truth)
        program, oracle = Program(told, vocabulary, speech), Program(truth, vocabulary)
        replies = _replies(asked, program, oracle, seen)
        if false_alarms and speech is not None:
            how = OpenVerbs(speech, every=EVERY)
            chances = evaluate_chances(told, how, bundle.hash, takes)
    answers = {
        name: [mark(diary, one, reply) for one, reply in zip(asked, given, strict=True)]
        for name, given in replies.items()
    }
    minutes = sum(take.truth.frames[-1].seconds for take in takes) / 60
    tables = {name: table(outcomes) for name, outcomes in answers.items()}
    return AskReport(len(takes), minutes, tables, answers[PROGRAM], chances)


def _replies(
    asked: Sequence[Asked], program: Program, oracle: Program, seen: Sessions
) -> dict[str, list[Reply]]:
    """Of everybody who answers, by name."""
    plain, prior = PlainClip(seen, UnionClip(load_bundle(PLAIN_CLIP))), object_prior()
    return {
        PROGRAM: [program.answer(one) for one in asked],
        PRIOR: [program.by_prior(one, prior) for one in asked],
        "plain CLIP": [plain.answer(one, program.understood(one)) for one in asked],
        "program over true events": [oracle.answer(one) for one in asked],
    }


def _send(rows: Sequence[OutboxRow], told: Sessions, seen: Sessions) -> None:
    """What the program tells to one database, what plain CLIP saw to the other; tracks to both."""
    plain = {
        row.seq for row in rows if isinstance(row.record, PairVector) and row.record.bundle == UNION
    }
    tracks = {row.seq for row in rows if isinstance(row.record, Track)}
    DatabaseSink(told).send([row for row in rows if row.seq not in plain], in_doubt=False)
    DatabaseSink(seen).send([row for row in rows if row.seq in plain | tracks], in_doubt=False)


def _tell_truth(diary: Diary, takes: Sequence[Take], sessions: Sessions) -> None:
    with sessions.begin() as session:
        interactions = list(true_interactions(diary, takes, OPEN_VERBS))
        add_interactions(session, interactions=interactions)
        add_tracks(session, tracks=list(true_tracks(takes)))


class _Narrow:
    """The text tower of a bundle that was watched with fewer verbs."""

    def __init__(self, speech: Speaks, vocabulary: Vocabulary) -> None:
        self._speech, self._vocabulary = speech, vocabulary
        self.silence, self.deaf, self.prototypes = speech.silence, speech.deaf, speech.prototypes
        self.calibration, self.smoothing = speech.calibration, speech.smoothing
        self.plain = speech.plain

    def verbs(self, _bundle: str) -> Mapping[str, str]:
        return {verb.name: verb.sentence for verb in self._vocabulary.verbs}


def _speech(bundle: Bundle, vocabulary: Vocabulary) -> Speaks | None:
    speech = BundleSpeech(str(bundle.folder))
    return None if speech.silence(bundle.hash) else _Narrow(speech, vocabulary)


@contextmanager
def _database() -> Iterator[Sessions]:
    with tempfile.TemporaryDirectory() as folder:
        engine = make_engine(f"sqlite:///{Path(folder) / 'ask.db'}")
        upgrade(engine)
        try:
            yield make_sessions(engine)
        finally:
            engine.dispose()
