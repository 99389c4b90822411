"""Which outer value is which inner one, for the operations of torch.export that have sub-graphs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from graphreel.capture.torchfile.program import Body, Listing
from graphreel.graph import ScopeKind

Operands: TypeAlias = Sequence[str | None]
"""Names of what an operation hands to its sub-graphs, in order; None for what is no value."""


@dataclass(frozen=True, slots=True)
class SubGraph:
    """A sub-graph as an argument: its name, the position among the operation's sub-graphs follows from the list."""

    name: str
    listing: Listing


def bind(op: str, graphs: Sequence[SubGraph], groups: Sequence[Operands], outputs: int) -> list[Body]:
    """The bodies of an operation `op` with so many outputs. `groups` are the arguments that follow the sub-graphs."""
    name = op.rpartition(".")[2]
    operands = [operand for group in groups for operand in group]
    return [_body(name, at, graph, groups, operands, outputs) for at, graph in enumerate(graphs)]


def _body(op: str, at: int, graph: SubGraph, groups: Sequence[Operands], operands: Operands, outputs: int) -> Body:
    listing = graph.listing
    inputs = [given.name for given in listing.inputs]
    kind, carried = ScopeKind.FUNCTION, 0
    if op == "cond":
        kind = ScopeKind.BRANCH
    elif op.startswith("while_loop"):
        kind, carried = ScopeKind.LOOP_BODY, len(groups[0]) if groups and at else 0
    elif op in ("scan", "map_impl", "map"):
        kind, carried = ScopeKind.LOOP_BODY, len(groups[0]) if op == "scan" and groups else 0
    elif op == "associative_scan":
        kind = ScopeKind.LOOP_BODY
        operands = [*(groups[0] if groups else ()), *operands]
    tests = op.startswith("while_loop") and at == 0
    bound = len(inputs) == len(operands)
    entries = [(outer, inner) for outer, inner in zip(operands, inputs, strict=False) if outer] if bound else []
    exits = [] if tests else list(enumerate(listing.outputs[:outputs]))
    names = {"cond": ("true", "false"), "while_loop": ("cond", "body")}.get(op, ("body",))
    return Body(
        names[at] if at < len(names) else graph.name, kind, listing, entries, exits, _carried(listing, inputs, carried)
    )


def _carried(listing: Listing, inputs: Sequence[str], count: int) -> Mapping[str, str]:
    return dict(zip(listing.outputs[:count], inputs[:count], strict=False))
