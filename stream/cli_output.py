"""What commands print with: log lines and complaints to stderr, tables to stdout."""

import logging
import os
import sys
from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from stream.addresses import redact

_LINE = "stream: "


class _Line(logging.Formatter):
    """One line a record, without secrets; a traceback only where something is our fault."""

    def format(self, record: logging.LogRecord) -> str:
        return redact(_LINE + super().format(record))


def set_up_logging() -> None:
    """Warnings and worse of everybody, and what our own rooms tell, to stderr."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Line("%(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for room in ("stream", "storage", "models"):
        logging.getLogger(room).setLevel(logging.INFO)
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")


def complain(message: str) -> None:
    """One line to stderr."""
    sys.stderr.write(redact(_LINE + " ".join(message.split())) + "\n")
    sys.stderr.flush()


def errors_console() -> Console:
    return Console(stderr=True, highlight=False, soft_wrap=True)


def show_rows(columns: Sequence[str], rows: Iterable[Sequence[str]], title: str = "") -> None:
    """A table on stdout."""
    table = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
