"""`stream ask`: a question in words, answered from the database."""

import csv
import io
import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import typer

from configs.settings import Settings
from models.speech import BundleSpeech
from storage.answer_json import answer_to_dict
from storage.answers import counted
from storage.ask import LESS_SURE, Answer, OpenVerbs, answer, understand_stored
from storage.database import make_engine, make_sessions
from storage.maintenance import bring_up_to_date
from storage.repository import MOST_COUNTED
from storage.zones import local_zone
from stream.cli_output import complain, show_rows

_SHOWN = 50  # rows of a table, unless more are asked for; files get all


@dataclass(frozen=True)
class Choice:
    """What is asked for beside the question."""

    since: datetime | None = None
    until: datetime | None = None
    camera: str | None = None
    per_day: float | None = None  # false alarms of a verb nobody configured
    limit: int | None = None  # rows; None: as many as the form is for
    offset: int = 0
    form: str = "table"  # or json, csv

    @property
    def rows(self) -> int:
        return self.limit or (_SHOWN if self.form == "table" else MOST_COUNTED)


def answer_question(settings: Settings, question: str, choice: Choice) -> Answer:
    """What the database knows about it."""
    engine = make_engine(settings.database.url)
    try:
        bring_up_to_date(engine, settings.backups)
        with make_sessions(engine)() as session:
            known = replace(open_verbs(settings), per_day=choice.per_day)
            asked = understand_stored(
                session, question, now=datetime.now(UTC), zone=local_zone(), open_verbs=known
            )
            return answer(
                session,
                asked,
                since=choice.since,
                until=choice.until,
                camera=choice.camera,
                limit=choice.rows,
                offset=choice.offset,
                open_verbs=known,
                less_sure=LESS_SURE,
            )
    finally:
        engine.dispose()


def open_verbs(settings: Settings) -> OpenVerbs:
    """Any verb, by the text towers of the installed bundles and of the one of the settings."""
    return OpenVerbs.of(
        BundleSpeech(settings.bundle), settings.vectors.every_seconds, settings.smoothing.default
    )


def ask_and_tell(settings: Settings, question: str, choice: Choice) -> bool:
    """Print the answer, to stdout nothing but what the form is for; False: not understood."""
    as_of = choice.until or datetime.now(UTC)
    found = answer_question(settings, question, choice)
    if found.understood:
        complain("understood: " + " · ".join(map(str, found.understood)))
    if found.missing:
        complain(found.missing)
    if choice.form == "json":
        typer.echo(json.dumps(answer_to_dict(found, as_of=as_of, offset=choice.offset)))
    elif choice.form == "csv":
        typer.echo(to_csv(found), nl=False)
    else:
        _show(found)
    if choice.form != "table":
        complain(found.summary)
    _tell_of_the_rest(found, choice)
    return found.answerable


def to_csv(answer: Answer) -> str:
    """Columns and rows; cells that a spreadsheet would take for formulas are quoted by a `'`."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow((*answer.columns, "id"))
    for row in answer.rows:
        cells = (f"'{cell}" if cell[:1] in tuple("=+-@\t\r") else cell for cell in row.cells)
        writer.writerow((*cells, str(row.interaction.id)))
    return text.getvalue()


def _show(found: Answer) -> None:
    if found.rows:
        show_rows(found.columns, [row.cells for row in found.rows])
    if found.less_sure:
        rows = [row.cells for row in found.less_sure]
        show_rows(
            found.columns, rows, title="less sure: not told when it happened, or of another colour"
        )
    typer.echo(found.summary)


def _tell_of_the_rest(found: Answer, choice: Choice) -> None:
    """What was found and is not among the rows."""
    shown = choice.offset + len(found.rows)
    if found.rows and shown < found.total:
        complain(
            f"rows {choice.offset + 1:,} to {shown:,} of {counted(found.total)}: "
            f"--offset {shown} shows the next, --limit more at once"
        )
    if found.less_sure and choice.form == "csv":
        complain(f"{len(found.less_sure)} less sure moments are left out: --json has them")
