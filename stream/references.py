"""Secrets by name: looked up when something is sent, and taken out of whatever is told about it."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

from storage.channels import PREFIX, VARIABLE, check_reference
from storage.errors import StorageError
from stream.errors import StreamError


@dataclass
class Secrets:
    """`env:HOI_SECRET_X` from the environment, `file:NAME` from the folder."""

    folder: Path
    _used: set[str] = field(default_factory=set)

    def look_up(self, reference: str) -> str:
        """Raises `StreamError` if it is not there."""
        try:
            check_reference(reference)
        except StorageError as error:
            raise StreamError(str(error)) from error
        kind, _, name = reference.partition(":")
        return self._variable(name) if kind == "env" else self._file(name)

    def fill_in(self, url: str) -> str:
        """The URL with the values of its `${HOI_SECRET_X}`, percent-encoded."""
        return VARIABLE.sub(lambda match: quote(self._variable(match[1]), safe=""), url)

    def hide(self, text: str) -> str:
        """The text without any secret that was looked up here."""
        for value in sorted(self._used, key=len, reverse=True):
            text = text.replace(value, "***").replace(quote(value, safe=""), "***")
        return text

    def _variable(self, name: str) -> str:
        value = os.environ.get(name, "") if name.startswith(PREFIX) else ""
        if not value:
            raise StreamError(f"environment variable {name} is not set")
        self._used.add(value)
        return value

    def _file(self, name: str) -> str:
        path = self.folder / name
        try:
            value = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StreamError(f"secret {path} cannot be read") from error
        if not value:
            raise StreamError(f"secret {path} is empty")
        self._used.add(value)
        return value
