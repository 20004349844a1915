"""Errors that a user may see: one line each, saying what to do about it."""

from stream.trouble import Trouble


class StreamError(Exception):
    """Something the user can mend; the command line prints it in one line and exits with 1."""


class SourceError(StreamError):
    """A video source cannot be opened or read."""

    def __init__(self, message: str, trouble: Trouble = Trouble.NETWORK) -> None:
        super().__init__(message)
        self.trouble = trouble
