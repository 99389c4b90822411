"""Finds the node that somebody means who types: a key, the end of one, or one without its line and number."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher, get_close_matches
from heapq import nlargest
from typing import Self

import numpy as np

from graphreel.analysis.search import search
from graphreel.graph import Graph, NodeId, UnknownKey, node_keys

_FORM = re.compile(r"(?:(?P<path>.*)/)?(?P<op>[^/@#]+)(?:@(?P<place>[^/#]+))?(?:#(?P<number>\d+))?")
_COMPARED = 400
"""Keys that are compared letter by letter; a large graph has too many for that."""


class UnclearNode(UnknownKey):
    """A text that means no node, or several."""

    @classmethod
    def none(cls, text: str, near: Iterable[str], look: str) -> Self:
        """Offer the keys that come near, and say where all of them are listed."""
        shown = ", ".join(near)
        return cls(f"no node has the key {text!r}{f'; near it: {shown}' if shown else ''}{_listed(look)}")

    @classmethod
    def several(cls, text: str, keys: list[str], look: str) -> Self:
        """Name the first of those that it could mean."""
        more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
        return cls(
            f"{text!r} means {len(keys)} nodes: {', '.join(keys[:3])}{more}; write more of the key{_listed(look)}"
        )


def find_meant(graph: Graph, text: str, look: str = "") -> NodeId:
    """The node that a text means.

    It is a whole key, or the only node whose key ends so: `0/aten.addmm.default@train.py:12#1`. Its line, its number
    and parts of the operator may be left out: `0/aten.addmm`, `addmm`. Raises UnclearNode, which offers the keys that
    come near; `look` is the command that lists all.
    """
    keys = node_keys(graph)
    if text in keys:
        return NodeId(keys.index(text))
    found = list(_meant(keys, text))
    if len(found) == 1:
        return NodeId(found[0])
    if found:
        raise UnclearNode.several(text, [keys[node] for node in found], look)
    raise UnclearNode.none(text, _near(graph, text), look)


def _listed(look: str) -> str:
    return f"; all keys: {look}" if look else ""


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a key, or a text that stands for one, is made of; empty where it was left out."""

    path: str
    op: str
    place: str
    number: str

    @classmethod
    def of(cls, text: str) -> "Self | None":
        match = _FORM.fullmatch(text)
        return cls(*(part or "" for part in match.groups())) if match else None

    def may_mean(self, key: "_Parts") -> bool:
        return (
            self.op in _short_names(key.op)
            and self.place in ("", key.place)
            and self.number in ("", key.number)
            and (not self.path or f"/{key.path}".endswith(f"/{self.path}"))
        )


def _meant(keys: Iterable[str], text: str) -> Iterator[int]:
    asked = _Parts.of(text.strip("/ "))
    if asked is None:
        return
    for node, key in enumerate(keys):
        # Most keys do not hold the text's operator at all, and a graph may have very many.
        if asked.op in key and (parts := _Parts.of(key)) is not None and asked.may_mean(parts):
            yield node


def _short_names(op: str) -> set[str]:
    """What an operator may be called: `aten.addmm.default` also `aten.addmm`, `addmm.default` and `addmm`."""
    space, _, rest = op.partition(".")
    name, _, overload = rest.partition(".")
    return {op, f"{space}.{name}", rest, name} - {""} if overload else {op, rest} - {""}


def _near(graph: Graph, text: str) -> list[str]:
    """The three keys that look most like a text, of nodes whose operator does, or that hold its words."""
    asked = _Parts.of(text.strip("/ "))
    word = asked.op if asked else text
    ops = {name: graph.strings[op] for op in np.unique(graph.nodes.op) for name in _short_names(graph.strings[op])}
    close = {ops[name] for name in get_close_matches(word, ops, n=5, cutoff=0.5)}
    keys = node_keys(graph)
    alike = np.flatnonzero(np.isin(graph.nodes.op, [graph.strings.index(op) for op in close]))
    nodes: list[int] = (alike if len(alike) else search(graph, word).nodes).tolist()
    path = asked.path if asked else ""
    likely = nlargest(_COMPARED, nodes, key=lambda node: path in keys[node])
    # Of the two, the matcher works out the second only once.
    matcher = SequenceMatcher(b=text, autojunk=False)

    def likeness(node: int) -> float:
        matcher.set_seq1(keys[node])
        return matcher.ratio()

    return [keys[node] for node in nlargest(3, likely, key=likeness)]
