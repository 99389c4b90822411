"""What can be wrong with a graph, each built by name."""

from typing import Self


class GraphreelError(Exception):
    """Whatever Graphreel tells its user in one line: every area's own tree of errors grows from here."""


class GraphError(GraphreelError):
    """A graph, or a request made of one, that cannot be."""


class LintError(GraphError):
    """A graph that breaks an invariant. This is a bug in what built it, never the user's mistake."""

    @classmethod
    def with_faults(cls, faults: list[str]) -> Self:
        """Name the first few faults."""
        shown = "; ".join(faults[:5])
        more = f"; and {len(faults) - 5} more" if len(faults) > 5 else ""
        return cls(f"graph bug, please report: {shown}{more}")


class UnknownKey(GraphError):
    """No node has the key that was asked for."""

    @classmethod
    def in_graph(cls, key: str, near: list[str]) -> Self:
        """Offer the keys that come near."""
        hint = f"; near it: {', '.join(near)}" if near else ""
        return cls(f"no node has the key {key!r}{hint}")


class UnknownScope(GraphError):
    """No scope has the path or matches the pattern that was asked for."""

    @classmethod
    def matching(cls, pattern: str, accepted: list[str]) -> Self:
        """Offer some scopes that are there."""
        if not accepted:
            return cls(f"no scope matches {pattern!r}: this graph has no scopes")
        return cls(f"no scope matches {pattern!r}; there are, for example: {', '.join(accepted[:6])}")


class ParseError(GraphError):
    """A graph written as text that does not follow the notation."""

    @classmethod
    def at(cls, statement: str, what: str) -> Self:
        """Show the statement."""
        return cls(f"{statement!r}: {what}; write for example: a -> b -> c; block/d:relu -> b")


class FormatError(GraphError):
    """A text or foreign object that was to become a graph and cannot."""

    @classmethod
    def at(cls, kind: str, where: str, what: str) -> Self:
        """Say what it was taken for, the place, and what is wrong there."""
        return cls(f"not a graph in {kind}: {where}: {what}" if where else f"not a graph in {kind}: {what}")


class MissingExtra(GraphError):
    """A library that only an extra brings is not installed."""

    @classmethod
    def named(cls, what: str, extra: str) -> Self:
        """Say what is missing and the command that brings it."""
        return cls(f"{what} is not installed; get it with: pip install 'graphreel[{extra}]'")
