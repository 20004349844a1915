"""The one error of this package that a user may see."""


class StorageError(Exception):
    """A database, outbox or Redis cannot be used; the message is one line for the user."""
