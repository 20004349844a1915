"""Errors that a user may see: one line each, saying what to do about it."""


class StreamError(Exception):
    """Something the user can mend; the command line prints it in one line and exits with 1."""


class SourceError(StreamError):
    """A video source cannot be opened or read."""
