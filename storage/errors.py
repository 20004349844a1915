"""The errors of this package that a user may see."""


class StorageError(Exception):
    """A database, outbox or Redis cannot be used; the message is one line for the user."""


class RefusedError(StorageError):
    """The store is well but will never take this row; sending it again does not help."""


class UnreachableError(StorageError):
    """The server does not answer, or not yet; it may, later."""
