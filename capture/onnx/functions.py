"""A model's own functions, and how large they become when each call is written out.

A file may hold functions that call each other in a circle, or each the next one twice; both would grow without end.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from onnx import FunctionProto, NodeProto

Key: TypeAlias = tuple[str, str, str]
"""Domain, name and overload."""

LARGEST_EXPANSION = 100_000
"""Nodes that calls of functions may become in one graph, beyond those that the file itself holds."""
DEEPEST_CALL = 50
"""Calls within calls; a real model has a handful."""


def domain_of(domain: str) -> str:
    """A domain by its one spelling: onnx's own is the empty one."""
    return "" if domain == "ai.onnx" else domain


def call_key(node: "NodeProto") -> Key:
    """What a node calls, should it be a call."""
    return domain_of(node.domain), node.op_type, node.overload


def all_nodes(nodes: Iterable["NodeProto"]) -> Iterator["NodeProto"]:
    """The nodes and those of every graph among their attributes, however deep."""
    waiting = [iter(nodes)]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
            continue
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                waiting.append(iter(attribute.g.node))
            waiting.extend(iter(graph.node) for graph in attribute.graphs)


class Functions:
    """The functions of a model by domain, name and overload."""

    def __init__(self, functions: Iterable["FunctionProto"]) -> None:
        self._functions: dict[Key, FunctionProto] = {}
        for function in functions:
            key = domain_of(function.domain), function.name, function.overload
            self._functions.setdefault(key, function)
        self._sizes: dict[Key, int] = {}

    def __bool__(self) -> bool:
        return bool(self._functions)

    def get(self, node: "NodeProto") -> "FunctionProto | None":
        """The function that a node calls; None where it is an operation."""
        return self._functions.get(call_key(node)) if self._functions else None

    def expansion(self, node: "NodeProto") -> int:
        """How many nodes a call becomes; over LARGEST_EXPANSION where it would never end or nests too deep."""
        return self._measured().get(call_key(node), 0)

    def largest_expansion(self) -> int:
        """The largest expansion of all; 0 without functions."""
        return max(self._measured().values(), default=0)

    def _measured(self) -> dict[Key, int]:
        if self._functions and not self._sizes:
            self._sizes = _measure(self._functions)
        return self._sizes


def _measure(functions: "dict[Key, FunctionProto]") -> dict[Key, int]:
    """Sizes from the innermost functions outward; what is left over calls itself, or is too deep."""
    calls: dict[Key, list[Key]] = {}
    own: dict[Key, int] = {}
    for key, function in functions.items():
        body = list(all_nodes(function.node))
        own[key] = len(body)
        calls[key] = [called for called in map(call_key, body) if called in functions]
    sizes: dict[Key, int] = {}
    waiting = set(functions)
    for _ in range(DEEPEST_CALL):
        ready = {key for key in waiting if all(called in sizes for called in calls[key])}
        if not ready:
            break
        for key in ready:
            total = own[key] + sum(sizes[called] for called in calls[key])
            sizes[key] = min(total, LARGEST_EXPANSION + 1)
        waiting -= ready
    return sizes | dict.fromkeys(waiting, LARGEST_EXPANSION + 1)
