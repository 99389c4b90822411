"""An exported program as its readers hand it over: listings of operations with names for values.

The file's JSON and PyTorch's own graphs in memory both become this; only `building` makes a graph of it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from graphreel.graph import ScopeKind, ValueKind
from graphreel.graph.types import Dim


@dataclass(frozen=True, slots=True)
class ValueInfo:
    """What is known of a value: `float32`, `("s77", 8)`, `cpu`."""

    dtype: str = ""
    shape: tuple[Dim, ...] | None = None
    device: str = ""


UNKNOWN_VALUE = ValueInfo()


@dataclass(frozen=True, slots=True)
class Line:
    """One frame of a stack: a line of a file, and the text that stands there, if the program tells it."""

    file: str
    line: int
    function: str
    text: str = ""


@dataclass(frozen=True, slots=True)
class ModuleCall:
    """A module that was running: `key` is its own for each call, `path` is dotted and empty for the outermost."""

    key: str
    path: str
    type: str


@dataclass(frozen=True, slots=True)
class Input:
    """A value that a listing begins with; `label` is what it is called for people, `fc.weight`."""

    name: str
    kind: ValueKind
    label: str
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Body:
    """A listing that belongs to an operation.

    Attributes:
        entries: Pairs (name outside, name inside) of what enters.
        exits: Pairs (position among the operation's outputs, name inside) of what leaves.
        carried: From names of the body's outputs to names of its inputs in the next round.
    """

    name: str
    kind: ScopeKind
    listing: "Listing"
    entries: Sequence[tuple[str, str]] = ()
    exits: Sequence[tuple[int, str]] = ()
    carried: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: `inputs` are pairs (argument, name of the value), `outputs` names of values."""

    op: str
    inputs: Sequence[tuple[str, str]]
    outputs: Sequence[str]
    attributes: Mapping[str, Any]
    modules: tuple[ModuleCall, ...] = ()
    stack: tuple[Line, ...] = ()
    name: str = ""
    bodies: Sequence[Body] = ()


@dataclass(frozen=True, slots=True)
class Listing:
    """Operations in execution order, with what they begin with, give back, and what is known of their values."""

    inputs: Sequence[Input]
    operations: Sequence[Operation]
    outputs: Sequence[str]
    infos: Mapping[str, ValueInfo]


@dataclass(frozen=True, slots=True)
class Program:
    """A whole program. `mutations` says which of its outputs are new contents of what it took: `buffer count`."""

    listing: Listing
    meta: Mapping[str, str]
    mutations: Mapping[str, str] = field(default_factory=dict)
