"""The one error of this package that a user may see."""


class ModelError(Exception):
    """A bundle, weight file or detector cannot be used; the message is one line for the user."""
