"""Standing questions over what is new: each interaction is looked at once it is stored.

There is no second reading of a question here: it is `storage.ask.answer` over the time around the
new interaction, of which those rows count in which it has a part.
"""

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy.orm import Session

from storage.alert_rows import (
    Look,
    add_alert,
    alerted,
    due_looks,
    last_told,
    lock_standing,
    look_again,
    take_looks,
)
from storage.alerts import alert_body
from storage.ask import Row, answer
from storage.database import ReadSession
from storage.interactions import PUT_DOWN, Interaction, Phase
from storage.question import Bound, Question, Relation, Step
from storage.quiet import held_back
from storage.repository import get_interaction
from storage.standing import Standing
from storage.standing_rows import all_standing

_BATCH = 100  # interactions of one step
_MOST_MATCHES = 500  # of one question around one interaction
_LONGEST = timedelta(days=1)  # between the parts of a question without a limit of its own
_PATIENCE = timedelta(minutes=1)  # "and did not take it again", where the question has no limit
_TRACK_TOLD = timedelta(seconds=130)  # by then what is known of a track is stored
_PAUSE = timedelta(minutes=10)  # at most, between two looks whether somebody has gone


class OvertakenError(Exception):
    """Somebody else has settled some of it: what they told may be the same in other words."""


@dataclass(frozen=True)
class Watched:
    """What one step did."""

    looked: int = 0
    alerts: int = 0
    held: int = 0
    more: bool = False  # there is more to do
    overtaken: bool = False  # somebody else asked the same meanwhile: nothing was done


@dataclass(frozen=True)
class Findings:
    """What is to be decided: of each look, what each question found, and how long it waits."""

    looks: tuple[Look, ...] = ()
    found: tuple[tuple[Look, Standing, tuple[Row, ...], timedelta], ...] = ()


def find(session: ReadSession, *, now: datetime) -> Findings:
    """Ask the active questions of what is due. Only reads: nobody waits meanwhile to write."""
    looks = due_looks(session, now=now, limit=_BATCH)
    standings = all_standing(session, active=True) if looks else []
    found, seen = list[tuple[Look, Standing, tuple[Row, ...], timedelta]](), set[object]()
    for look in looks:
        new = get_interaction(session, id=look.interaction)
        if new is None or (look.interaction, look.standing) in seen:
            continue
        seen.add((look.interaction, look.standing))
        for standing in standings:
            if look.standing in (None, standing.id) and _concerns(standing, new):
                rows = _rows_with(session, standing.question, new)
                fitting = tuple(row for row in rows if _fits(standing, row))
                again = look.standing is not None
                wait = _wait(standing.question, new, now, found=bool(fitting), again=again)
                if fitting or wait:
                    found.append((look, standing, fitting, wait))
    return Findings(tuple(looks), tuple(found))


def settle(session: Session, findings: Findings, *, now: datetime) -> Watched:
    """Make the alerts, to be committed as a whole.

    Raises `OvertakenError`, where the transaction is to be taken back and all asked again: who
    settles knows of every alert that was made before, or that he found about at the same time.
    """
    if not take_looks(session, findings.looks):
        raise OvertakenError
    locked = lock_standing(session, {standing.id for _, standing, _, _ in findings.found})
    alerts = held = 0
    for look, standing, rows, wait in findings.found:
        if standing.id not in locked:
            continue
        ids = [id_ for row in rows for id_ in _ids(row)]
        known = alerted(session, standing=standing.id, interactions=ids)
        fresh = [row for row in rows if known.isdisjoint(_ids(row))]
        if wait and (fresh or not rows):
            due_at = now + wait
            look_again(session, interaction=look.interaction, standing=standing.id, due_at=due_at)
            continue
        for row in sorted(fresh, key=lambda row: row.interaction.started_at):
            made, reason = _tell(session, standing, row, now)
            alerts, held = alerts + (made and reason is None), held + (made and bool(reason))
    return Watched(len(findings.looks), alerts, held, more=len(findings.looks) == _BATCH)


def _ids(row: Row) -> tuple[uuid.UUID, ...]:
    """Of the interaction, and of those that are the same in other words: one is told."""
    return row.interaction.id, *row.same


def _tell(session: Session, standing: Standing, row: Row, now: datetime) -> tuple[bool, str | None]:
    """Whether an alert was made, and why it was held back."""
    camera = row.interaction.camera
    last = last_told(session, standing=standing, camera=camera)
    reason = held_back(now, last=last, cooldown=standing.cooldown, quiet=standing.quiet)
    made = add_alert(
        session,
        standing=standing,
        interaction=row.interaction.id,
        camera=camera,
        at=now,
        body=alert_body(standing, row, at=now),
        held=reason,
    )
    return made, reason


def _concerns(standing: Standing, new: Interaction) -> bool:
    """Whether it can be a part of the answer at all; spares the database most questions."""
    question = standing.question
    parts = [question.clause, *(step.clause for step in question.steps if not step.negated)]
    spoken = any(not part.verbs or new.verb in part.verbs for part in parts)
    return spoken and (not standing.cameras or new.camera in standing.cameras)


def _rows_with(session: Session, question: Question, new: Interaction) -> list[Row]:
    """Answers in which the new interaction has a part."""
    reach = _reach(question)
    if all(step.person is Bound.SAME for step in question.steps if not step.negated):
        human = question.clause.human
        if human is not None and human.lower() != new.human_track.lower():
            return []
        question = replace(question, clause=replace(question.clause, human=new.human_track))
    found = answer(
        session,
        question,
        since=new.started_at - reach,
        until=new.ended_at + reach,
        limit=_MOST_MATCHES,
    )
    return [row for row in found.rows if new.id in {*_ids(row), *(one.id for one in row.evidence)}]


def _reach(question: Question) -> timedelta:
    """How far from the new interaction the one that is asked for may be."""
    limits = [
        timedelta() if step.relation is Relation.WHILE else step.within or _LONGEST
        for step in question.steps
        if not step.negated
    ]
    return min(sum(limits, timedelta()), _LONGEST)


def _fits(standing: Standing, row: Row) -> bool:
    parts = (row.interaction, *row.evidence)
    return (
        all(one.peak_score >= standing.min_score for one in parts)
        and (not standing.cameras or row.interaction.camera in standing.cameras)
        and (not standing.waits_for_end or all(one.phase is Phase.END for one in parts))
    )


def _wait(
    question: Question, new: Interaction, now: datetime, *, found: bool, again: bool
) -> timedelta:
    """How long the answer may still change by what is not there yet; nothing: it is final.

    `again`: it was waited for that once.
    """
    if not found and new.verb == PUT_DOWN and any(step.gone for step in question.steps):
        age = now - new.ended_at  # of recordings much: for them it is waited once
        return min(max(age, _TRACK_TOLD), _PAUSE) if age < _LONGEST or not again else timedelta()
    if again:
        return timedelta()
    refuted = max(map(_refuted_after, question.steps), default=timedelta())
    if found:
        return refuted
    clauses = (question.clause, *(step.clause for step in question.steps))
    colours_come = any(clause.coloured for clause in clauses) and new.phase is Phase.END
    return max(_TRACK_TOLD, refuted) if colours_come else timedelta()


def _refuted_after(step: Step) -> timedelta:
    """For so long something may come that the step says did not."""
    if not step.negated or step.relation not in (Relation.THEN, Relation.NEAR):
        return timedelta()
    return (step.within or _PATIENCE) + (_TRACK_TOLD if step.clause.coloured else timedelta())
