"""Which value a tensor is at a moment: memory, versions of memory, and writes that reach other views of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from graphreel.capture.torch.log import NO_ALIAS, PassLog
from graphreel.graph import NONE, GraphBuilder, Phase, ValueKind


@dataclass(slots=True)
class _Storage:
    """A piece of memory: how often it was written, and the node of the last write."""

    number: int
    version: int = 0
    writer: int = NONE


@dataclass(slots=True)
class Values:
    """Turns tensors into values, in execution order. A write gives a new value of the same storage, one version on.

    Attributes:
        aliases: The tensor whose memory one from outside shares, or -1, where that is not as it was noted down.
        entered: The value that each tensor from outside is when it is first taken.
        given: The value that an event made or wrote, by event and tensor.
        ports: How many outputs each node has so far.
        tensors: The tensor that each value is.
    """

    builder: GraphBuilder
    log: PassLog
    aliases: Mapping[int, int] = field(default_factory=dict)
    entered: dict[int, int] = field(default_factory=dict)
    given: dict[tuple[int, int], int] = field(default_factory=dict)
    ports: dict[int, int] = field(default_factory=dict)
    tensors: list[int] = field(default_factory=list)
    _count: int = 0
    _value: dict[int, int] = field(default_factory=dict)
    _storage: dict[int, _Storage] = field(default_factory=dict)
    _version: dict[int, int] = field(default_factory=dict)
    _base: dict[int, int] = field(default_factory=dict)
    _kind: dict[int, ValueKind] = field(default_factory=dict)
    _texts: dict[object, str] = field(default_factory=dict)

    def read(self, tensor: int) -> int:
        """The value that a tensor is when an operation takes it."""
        value = self._value.get(tensor)
        if value is None:
            return self._enter(tensor)
        storage = self._storage[tensor]
        if self._version[tensor] == storage.version:
            return value
        # Written through another view: the write made a new value of this tensor too.
        return self._append(tensor, storage.writer, storage, base=self._base[tensor], previous=value)

    def make(self, tensor: int, event: int, node: int, phase: Phase, source: int) -> None:
        """Let a node, which an event became, give a tensor; `source` is the tensor that it is a view of, or -1."""
        if source == NO_ALIAS:
            storage, base = self._new_storage(), NONE
        else:
            base = self.read(source)
            storage = self._storage[source]
        self._kind[tensor] = self._kind_of(source, phase)
        self._storage[tensor] = storage
        self.given[event, tensor] = self._append(tensor, node, storage, base=base)

    def _kind_of(self, source: int, phase: Phase) -> ValueKind:
        """Backward makes gradients; a view of one is one, but a view of a parameter is an activation."""
        if source == NO_ALIAS:
            return ValueKind.GRADIENT if phase is Phase.BACKWARD else ValueKind.ACTIVATION
        gradient = self._kind.get(source) is ValueKind.GRADIENT
        return ValueKind.GRADIENT if gradient else ValueKind.ACTIVATION

    def write(self, tensor: int, event: int, node: int, bumped: set[int]) -> None:
        """Let a node write a tensor in place; `bumped` are the storages that this node has written already."""
        storage = self._storage[tensor]
        if storage.number not in bumped:
            bumped.add(storage.number)
            storage.version += 1
            storage.writer = node
        base, previous = self._base[tensor], self._value[tensor]
        self.given[event, tensor] = self._append(tensor, node, storage, base=base, previous=previous)

    def storage_of(self, tensor: int) -> int:
        """The number of a tensor's memory."""
        return self._storage[tensor].number

    def _new_storage(self) -> _Storage:
        storage = _Storage(self._count)
        self._count += 1
        return storage

    def _enter(self, tensor: int) -> int:
        """Let a tensor enter the graph from outside."""
        alias = self.aliases.get(tensor, self.log.tensors[tensor][3])
        base = NONE
        if alias != NO_ALIAS:
            base = self.read(alias)
            storage = self._storage[alias]
        else:
            storage = self._new_storage()
        self._storage[tensor] = storage
        self._kind[tensor] = self.log.names.get(tensor, (ValueKind.INPUT, ""))[0]
        # What an operation wrote before the tensor was met comes from that operation.
        value = self.entered[tensor] = self._append(tensor, storage.writer, storage, base=base)
        return value

    def _append(self, tensor: int, node: int, storage: _Storage, base: int, previous: int = NONE) -> int:
        dtype, shape, device, _ = self.log.tensors[tensor]
        kind, name = self.log.names.get(tensor, (None, ""))
        port = 0
        if node != NONE:
            port = self.ports.get(node, 0)
            self.ports[node] = port + 1
        value = self.builder.value(
            self._text(dtype),
            shape,
            producer=node,
            port=port,
            name=name,
            kind=self._kind[tensor] if kind is None else kind,
            device=self._text(device),
            storage=storage.number,
            version=storage.version,
            base=base,
            previous=previous,
        )
        self.tensors.append(tensor)
        self._value[tensor] = value
        self._version[tensor] = storage.version
        self._base[tensor] = base
        return value

    def _text(self, what: object) -> str:
        """A dtype or a device as text: `float32`, `cuda:0`."""
        found = self._texts.get(what)
        if found is None:
            found = self._texts[what] = "" if what is None else str(what).removeprefix("torch.")
        return found
