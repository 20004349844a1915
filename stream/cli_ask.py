"""`stream ask`: a question in words, answered from the database."""

from datetime import UTC, datetime

from configs.settings import Settings
from storage.ask import Answer, answer, understand
from storage.database import make_engine, make_sessions
from storage.maintenance import bring_up_to_date
from storage.repository import cameras, object_classes_seen, verbs_seen


def answer_question(
    settings: Settings, question: str, *, since: datetime | None = None, camera: str | None = None
) -> Answer:
    """What the database knows about it."""
    engine = make_engine(settings.database.url)
    try:
        bring_up_to_date(engine, settings.backups)
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
