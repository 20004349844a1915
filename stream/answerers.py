"""Who answers in `stream evaluate ask`: the program, and two who know less."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, timedelta

import numpy as np

from models.evaluation.ask_questions import Asked
from models.evaluation.ask_scores import Reply
from models.evaluation.ask_words import WORDS
from models.evaluation.diary import Found
from models.evaluation.union_clip import UnionClip
from models.vocabulary import Vocabulary
from models.world.truth import ACTS, PICK_UP, PUT_DOWN
from storage.answers import score_of
from storage.ask import LESS_SURE, Row, answer
from storage.certainty import find_moments
from storage.chances import APART
from storage.database import Sessions
from storage.filters import Filters
from storage.grammar import understand
from storage.names import cameras
from storage.question import AskError, Question
from storage.sequences import clause_filters
from storage.speech import OpenVerbs, Speaks
from storage.vector_rows import look_at, score_vectors
from stream.footage import NOW
from stream.recording import SAMPLE_SECONDS
from stream.union_samples import UNION

EVERY = timedelta(seconds=SAMPLE_SECONDS)
_ROWS = 50


class Program:
    """The program's own answers, and those of one that ignores verbs."""

    def __init__(
        self, sessions: Sessions, vocabulary: Vocabulary, speech: Speaks | None = None
    ) -> None:
        """`speech`: without it nobody can be asked for other verbs."""
        self._sessions, self._vocabulary = sessions, vocabulary
        self._how = None if speech is None else OpenVerbs(speech, every=EVERY)

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
                found = answer(
                    session,
                    question,
                    until=NOW,
                    limit=_ROWS,
                    open_verbs=self._how,
                    less_sure=LESS_SURE,
                )
            except AskError:
                return Reply((), understood=False)
        rows = tuple(_found(row) for row in (*found.rows, *found.less_sure))
        return Reply(rows, found.number, found.yes)


class PlainClip:
    """How near pairs are to one sentence with verb and thing: no events, no threshold, no CMMP."""

    def __init__(self, sessions: Sessions, clip: UnionClip) -> None:
        """`sessions`: tracks, and the vectors of `stream.union_samples`."""
        self._sessions, self._clip = sessions, clip

    def answer(self, asked: Asked, question: Question | None) -> Reply:
        """The nearest moments within the question's places, times and looks; order is not known."""
        if question is None or not asked.verb:
            return Reply((), understood=question is not None)
        prototypes = self._clip.sentences([_sentence(asked)])
        with self._sessions() as session:
            filters: Filters = {
                "camera": question.camera,
                "since": question.since,
                "until": min(question.until or NOW, NOW),
                **clause_filters(session, replace(question.clause, verbs=(), phrases=())),
            }
            scores = score_vectors(session, UNION, prototypes, filters)
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


def _found(row: Row) -> Found:
    one = row.interaction
    start = one.started_at.timestamp()
    return Found(
        one.camera,
        start,
        one.ended_at.timestamp(),
        start + one.peak_at - one.media_start,
        one.human_box,
        one.object_box,
        score_of(row),
    )


def object_prior() -> dict[tuple[str, str], float]:
    """(verb, thing) -> how often the verb, of all that people of the world do with such a thing."""
    acts = {**ACTS, PICK_UP: ACTS["hold"], PUT_DOWN: ACTS["hold"]}
    often = {(verb, thing): 1 / len(things) for verb, things in acts.items() for thing in things}
    totals: dict[str, float] = {}
    for (_, thing), share in often.items():
        totals[thing] = totals.get(thing, 0.0) + share
    return {(verb, thing): share / totals[thing] for (verb, thing), share in often.items()}
