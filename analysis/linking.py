"""From the graph of a pass to another view of the same pass, such as its autograd graph, and back.

The nodes of a view tell by attributes which nodes of the pass they belong to: `forward` is the one that made them,
`operations` are those that they ran.
"""

import json
from weakref import WeakKeyDictionary

from graphreel.graph import Graph, NodeId

Links = dict[int, tuple[int, ...]]
"""The pass's nodes by the view's node: first the forward one, then those that it ran."""

_links: "WeakKeyDictionary[Graph, Links]" = WeakKeyDictionary()


def links_of(view: Graph) -> Links:
    """The links of every node of a view that has any."""
    found = _links.get(view)
    if found is None:
        found = _links[view] = _read(view)
    return found


def node_of_pass(node: NodeId, view: Graph) -> NodeId | None:
    """The node of the pass that a view's node belongs to: the forward one, else the first that it ran."""
    linked = links_of(view).get(node, ())
    return NodeId(linked[0]) if linked else None


def node_of_view(node: NodeId, view: Graph) -> NodeId | None:
    """The node of a view that belongs to a node of the pass; None where there is none."""
    return next((NodeId(its) for its, linked in links_of(view).items() if node in linked), None)


def _read(view: Graph) -> Links:
    table, strings = view.node_attributes, view.strings
    wanted = {strings.index(name): name for name in ("forward", "operations") if name in strings}
    links: Links = {}
    starts = table.start.tolist()
    for node in range(view.node_count):
        found: dict[str, object] = {}
        for row in range(starts[node], starts[node + 1]):
            name = wanted.get(int(table.key[row]))
            if name is not None:
                found[name] = json.loads(strings[table.text[row]])
        linked = [*_ids(found.get("forward")), *_ids(found.get("operations"))]
        if linked:
            links[node] = tuple(linked)
    return links


def _ids(given: object) -> list[int]:
    entries = given if isinstance(given, list) else [given]
    return [entry for entry in entries if isinstance(entry, int) and not isinstance(entry, bool) and entry >= 0]
