"""What an alert tells, and alerts that are only tests."""

import uuid
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from storage.alert_rows import add_alert, alert_id
from storage.ask import Row, person_label
from storage.interactions import EndReason, Interaction, Kind, Phase
from storage.repository import latest
from storage.standing import Standing

VERSION = 1  # of what is told


def alert_body(standing: Standing, row: Row, *, at: datetime, test: bool = False) -> dict[str, Any]:
    """As `docs/alerts.md` has it; ready for JSON. The alert's id is put in front of it."""
    return {
        "version": VERSION,
        "at": at.isoformat(),
        "test": test,
        "question": {
            "id": str(standing.id),
            "name": standing.name,
            "text": standing.question.text,
            "understood": [str(span) for span in standing.question.understood],
        },
        "answer": _answer(row, test=test),
        "interaction": row.interaction.to_dict(with_vector=False),
        "evidence": [one.to_dict(with_vector=False) for one in row.evidence],
    }


def add_test(session: Session, standing: Standing, *, now: datetime) -> uuid.UUID:
    """An alert that is marked as a test, about the newest interaction, or one made up."""
    one = next(iter(latest(session, limit=1)), None) or _made_up(now)
    test = uuid.uuid4()
    add_alert(
        session,
        standing=standing,
        interaction=test,
        camera=one.camera,
        at=now,
        body=alert_body(standing, Row(one, (), ()), at=now, test=True),
        test=True,
    )
    return alert_id(standing.id, test)


def _answer(row: Row, *, test: bool) -> str:
    """One line for a person."""
    one = row.interaction
    parts = ["this is a test"] if test else []
    parts += [
        f"{person_label(each.human_track)} {each.verb} {each.object_class}"
        for each in (one, *row.evidence)
    ]
    parts += [one.started_at.isoformat(sep=" ", timespec="seconds"), one.camera]
    return " · ".join([*parts, f"{one.peak_score:.2f}"])


def _made_up(now: datetime) -> Interaction:
    return Interaction(
        id=uuid.uuid4(),
        camera="test",
        kind=Kind.MOMENT,
        phase=Phase.END,
        verb="pick up",
        human_track="test:0:1",
        object_track="test:0:2",
        object_class="box",
        started_at=now,
        ended_at=now,
        media_start=0.0,
        media_end=0.0,
        mean_score=1.0,
        peak_score=1.0,
        peak_at=0.0,
        human_box=(0.0, 0.0, 10.0, 20.0),
        object_box=(5.0, 5.0, 9.0, 9.0),
        bundle="test",
        config="test",
        end_reason=EndReason.ENDED,
    )
