"""The exception that the tries of features share."""


class Refused(RuntimeError):
    """The kernel refused, with its reason."""
