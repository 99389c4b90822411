"""The graphs of a `.reel`, of which a few stay in memory."""

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from graphreel.graph import Graph, LintError, lint
from graphreel.tracefile.access import Access
from graphreel.tracefile.codec import Damage
from graphreel.tracefile.columnrows import ColumnRows
from graphreel.tracefile.errors import DamagedTrace
from graphreel.tracefile.rows import Row, meta_of
from graphreel.tracefile.sections import check_attributes, decode_graph

_KEPT = 6  # the one shown, the one compared with, a step of either, and a view of both


class Graphs:
    """Reads graphs by their rows. Thread-safe."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._sections = ColumnRows("sections", "graph")
        self._kept: OrderedDict[str, Graph] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, what: str, row: Row) -> Graph:
        """The graph of a row of id, hash, number of nodes and meta; raises DamagedTrace, naming `what` it is."""
        number, digest, nodes, meta_text = row
        try:
            meta = meta_of(meta_text)
            graph = self._known(digest) or self._load(number, digest, nodes, meta)
        except (Damage, LintError) as error:
            raise DamagedTrace.part(self._access.path, what, str(error)) from error
        return graph if graph.meta == meta else replace(graph, meta=meta)

    def forget(self) -> None:
        """Let go of those in memory."""
        with self._lock:
            self._kept.clear()

    def _known(self, digest: str) -> Graph | None:
        with self._lock:
            if digest in self._kept:
                self._kept.move_to_end(digest)
            return self._kept.get(digest)

    def _load(self, row: int, digest: str, nodes: int, meta: Mapping[str, str]) -> Graph:
        rows, fault = self._access.ask_rows(self._sections, row)
        if fault:
            raise Damage(fault)
        graph = decode_graph(rows, meta)
        if graph.node_count != nodes:
            raise Damage(f"it has {graph.node_count} nodes, and {nodes} are listed")
        lint(graph)
        check_attributes(graph)
        with self._lock:
            self._kept[digest] = graph
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return graph
