"""`stream ask`: a question in words, answered from the database."""

from datetime import UTC, datetime

from storage.ask import Answer, answer, understand
from storage.database import make_engine, make_sessions, upgrade
from storage.repository import cameras, object_classes_seen, verbs_seen


def answer_question(
    url: str, question: str, *, since: datetime | None = None, camera: str | None = None
) -> Answer:
    """What the database knows about it."""
    engine = make_engine(url)
    try:
        upgrade(engine)
        with make_sessions(engine)() as session:
            asked = understand(
                question,
                verbs=verbs_seen(session),
                objects=object_classes_seen(session),
                cameras=cameras(session),
                now=datetime.now(UTC),
            )
            return answer(session, asked, since=since, camera=camera)
    finally:
        engine.dispose()
