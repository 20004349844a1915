"""`stream ask`: a question in words, answered from the database."""

import csv
import io
from dataclasses import replace
from datetime import UTC, datetime

from configs.settings import Settings
from models.speech import BundleSpeech
from storage.ask import LESS_SURE, Answer, OpenVerbs, answer, understand_stored
from storage.database import make_engine, make_sessions
from storage.maintenance import bring_up_to_date
from storage.zones import local_zone


def answer_question(
    settings: Settings,
    question: str,
    *,
    since: datetime | None = None,
    camera: str | None = None,
    per_day: float | None = None,
) -> Answer:
    """What the database knows about it; `per_day` false alarms of a verb nobody configured."""
    engine = make_engine(settings.database.url)
    try:
        bring_up_to_date(engine, settings.backups)
        with make_sessions(engine)() as session:
            known = replace(open_verbs(settings), per_day=per_day)
            asked = understand_stored(
                session, question, now=datetime.now(UTC), zone=local_zone(), open_verbs=known
            )
            return answer(
                session, asked, since=since, camera=camera, open_verbs=known, less_sure=LESS_SURE
            )
    finally:
        engine.dispose()


def open_verbs(settings: Settings) -> OpenVerbs:
    """Any verb, by the text towers of the installed bundles and of the one of the settings."""
    return OpenVerbs.of(
        BundleSpeech(settings.bundle), settings.vectors.every_seconds, settings.smoothing.default
    )


def to_csv(answer: Answer) -> str:
    """Columns and rows; cells that a spreadsheet would take for formulas are quoted by a `'`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*answer.columns, "id"))
    for row in answer.rows:
        cells = (f"'{cell}" if cell[:1] in tuple("=+-@\t\r") else cell for cell in row.cells)
        writer.writerow((*cells, str(row.interaction.id)))
    return text.getvalue()
