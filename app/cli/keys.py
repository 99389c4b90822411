"""What a user names an iteration's nodes and their outputs by, on the command line."""

import shlex
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from graphreel.graph import NodeId, ValueId
    from graphreel.tracefile import Trace


class Keys:
    """The nodes of one iteration by their keys, whole or shortened.

    Attributes:
        graph: The graph that they are looked for in.
        all: The key of every node, in order.
    """

    def __init__(self, trace: "Trace", index: int) -> None:
        from graphreel.graph import node_keys

        self.graph = trace.graph(index)
        self.all = node_keys(self.graph)
        self._look = listing(trace, index)

    def meant(self, text: str) -> "NodeId":
        """The node that a text means; raises UnclearNode, which offers those that come near."""
        from graphreel.analysis import find_meant

        return find_meant(self.graph, text, self._look)

    def output(self, text: str, port: int | None = None) -> "ValueId":
        """The value that a node gives: `KEY`, or `KEY:PORT` for another than its first."""
        from graphreel.replay import CannotReplay

        key, _, after = text.rpartition(":")
        if port is None and after.isdecimal() and text not in self.all and not _ends_in_file(key):
            text, port = key, int(after)
        found = self.meant(text)
        node, whole = self.graph.node(found), self.all[found]
        outputs = node.outputs
        if "error" in node.attributes and not outputs:
            raise CannotReplay.failed_then(whole, str(node.attributes["error"]))
        if not 0 <= (port or 0) < len(outputs):
            raise CannotReplay.no_output(whole, port or 0, len(outputs))
        return outputs[port or 0].id


def listing(trace: "Trace", index: int) -> str:
    """The command that lists the keys of an iteration."""
    near = trace.path.parent == Path.cwd()
    return f"graphreel info {shlex.quote(trace.path.name if near else str(trace.path))} --keys --iteration {index}"


def _ends_in_file(key: str) -> bool:
    """Whether a number after a colon would be the line of a key that was typed without its number."""
    place = key.rpartition("#")[2].partition("@")[2]
    return bool(place) and ":" not in place
