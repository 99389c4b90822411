"""The one exception with which the parts of an execution say that a node cannot run."""


class Refused(Exception):
    """A node cannot be executed; the text says why, for the user."""
