"""Which value a tensor is at a moment: memory, versions of memory, and writes that reach other views of it."""

from dataclasses import dataclass, field

from graphreel.capture.torch.log import NO_ALIAS, PassLog
from graphreel.graph import NONE, GraphBuilder, Phase, ValueKind


@dataclass(slots=True)
class _Storage:
    """A piece of memory: how often it was written, and the node and value of the last write."""

    number: int
    version: int = 0
    writer: int = NONE
    written: int = NONE


@dataclass(slots=True)
class Values:
    """Turns tensors into values, in execution order. A write gives a new value of the same storage, one version on.

    Attributes:
        ports: How many outputs each node has so far.
    """

    builder: GraphBuilder
    log: PassLog
    ports: dict[int, int] = field(default_factory=dict)
    _count: int = 0
    _value: dict[int, int] = field(default_factory=dict)
    _storage: dict[int, _Storage] = field(default_factory=dict)
    _version: dict[int, int] = field(default_factory=dict)
    _kind: dict[int, ValueKind] = field(default_factory=dict)

    def read(self, tensor: int) -> int:
        """The value that a tensor is when an operation takes it."""
        value = self._value.get(tensor)
        if value is None:
            return self._enter(tensor)
        storage = self._storage[tensor]
        if self._version[tensor] == storage.version:
            return value
        # Written through another view: the write made a new value of this tensor too.
        return self._append(tensor, storage.writer, storage, base=storage.written)

    def make(self, tensor: int, node: int, phase: Phase, source: int) -> None:
        """Let a node give a tensor; `source` is the tensor that it is a view of, or -1."""
        if source == NO_ALIAS:
            storage, base = self._new_storage(), NONE
        else:
            base = self.read(source)
            storage = self._storage[source]
        kind = self._kind.get(source, ValueKind.ACTIVATION)
        if kind not in (ValueKind.ACTIVATION, ValueKind.GRADIENT):
            kind = ValueKind.ACTIVATION
        elif phase is Phase.BACKWARD and source == NO_ALIAS:
            kind = ValueKind.GRADIENT
        self._kind[tensor] = self.log.names[tensor][0] if tensor in self.log.names else kind
        self._storage[tensor] = storage
        self._append(tensor, node, storage, base=base)

    def write(self, tensor: int, node: int, bumped: set[int]) -> None:
        """Let a node write a tensor in place; `bumped` are the storages that this node has written already."""
        storage = self._storage[tensor]
        if storage.number not in bumped:
            bumped.add(storage.number)
            storage.version += 1
            storage.writer = node
            storage.written = self._append(tensor, node, storage, base=NONE)
        else:
            self._append(tensor, node, storage, base=storage.written)

    def storage_of(self, tensor: int) -> int:
        """The number of a tensor's memory."""
        return self._storage[tensor].number

    def _new_storage(self) -> _Storage:
        storage = _Storage(self._count)
        self._count += 1
        return storage

    def _enter(self, tensor: int) -> int:
        """Let a tensor enter the graph from outside."""
        alias = self.log.tensors[tensor][3]
        base = NONE
        if alias != NO_ALIAS:
            base = self.read(alias)
            storage = self._storage[alias]
        else:
            storage = self._new_storage()
        self._storage[tensor] = storage
        self._kind[tensor] = self.log.names.get(tensor, (ValueKind.INPUT, ""))[0]
        if NONE not in (base, storage.writer):
            return self._append(tensor, storage.writer, storage, base=storage.written)
        return self._append(tensor, NONE, storage, base=base)

    def _append(self, tensor: int, node: int, storage: _Storage, base: int) -> int:
        dtype, shape, device, _ = self.log.tensors[tensor]
        port = 0
        if node != NONE:
            port = self.ports.get(node, 0)
            self.ports[node] = port + 1
        value = self.builder.value(
            "" if dtype is None else str(dtype).removeprefix("torch."),
            None if shape is None else [int(size) for size in shape],
            producer=node,
            port=port,
            name=self.log.names[tensor][1] if tensor in self.log.names else "",
            kind=self._kind[tensor],
            device="" if device is None else str(device),
            storage=storage.number,
            version=storage.version,
            base=base,
        )
        self._value[tensor] = value
        self._version[tensor] = storage.version
        return value
