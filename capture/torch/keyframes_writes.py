"""Tells writes that an operation's schema shows from those that nothing shows, by the versions that PyTorch counts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from graphreel.capture.torch.ops import OpInfo
from graphreel.capture.torch.spared import let_through
from graphreel.capture.torch.tensors import TensorTable

_NO_MEMORY = 0


@dataclass(slots=True)
class State:
    """A tensor of the pass as it was when it was last looked at.

    Attributes:
        key: Its `id`, by which the table knows it while it lives.
        memory: Where its storage is, as an object; 0 for a tensor without one.
        version: PyTorch's count of writes; None until the operation that made it is over.
        writes: How many writes an operation has made since, which PyTorch counts when that operation is over.
        made: Whether an operation of the pass made it.
        early: Whether it was met before the pass really began, so that it may have to be kept anew.
        blank: Whether an operation such as `empty` gave its memory, and none has written it since.
    """

    key: int
    memory: int
    version: int | None
    writes: int = 0
    made: bool = False
    early: bool = False
    blank: bool = False


class States:
    """The states of a pass's tensors by number."""

    def __init__(self, table: TensorTable) -> None:
        self.all: dict[int, State] = {}
        self._table = table
        self._sharing: dict[int, list[int]] = {}
        self._open: list[State] = []

    def add(self, number: int, tensor: Tensor, *, made: bool, settled: bool = True) -> State:
        """Look at a tensor for the first time; its count of writes is not settled if it may be a view."""
        state = State(id(tensor), memory_of(tensor), version_of(tensor) if settled else None, made=made)
        self.all[number] = state
        self._sharing.setdefault(state.memory, []).append(number)
        if not settled:
            # What a view shares with what it looks at, its count too, is settled after the operation.
            self._open.append(state)
        return state

    def settle(self) -> None:
        """The operation before is over: its writes are counted by now."""
        for state in self._open:
            tensor = self.live(state)
            if tensor is not None:
                version = version_of(tensor)
                if state.version is None or state.version <= version <= state.version + state.writes:
                    state.version = version
            state.writes = 0
        self._open.clear()

    def live(self, state: State) -> Tensor | None:
        """The tensor, unless it is gone."""
        reference = self._table.known.get(state.key)
        tensor = None if reference is None else reference()
        return tensor if tensor is not None and self.all.get(self._table.numbers.get(state.key, -1)) is state else None

    def moved(self, state: State, tensor: Tensor) -> bool:
        """Whether a tensor looks at other memory than before."""
        return memory_of(tensor) != state.memory

    def sharing(self, state: State) -> Iterator[tuple[State, Tensor]]:
        """The live tensors that share the memory of one, with itself."""
        if state.memory == _NO_MEMORY:
            alone = self.live(state)
            if alone is not None:
                yield state, alone
            return
        for number in self._sharing.get(state.memory, ()):
            other = self.all.get(number)
            tensor = None if other is None else self.live(other)
            if other is not None and tensor is not None and memory_of(tensor) == state.memory:
                yield other, tensor

    def move(self, number: int, tensor: Tensor) -> None:
        """Take note that a tensor looks at other memory now."""
        state = self.all[number]
        state.memory, state.version, state.writes = memory_of(tensor), version_of(tensor), 0
        self._sharing.setdefault(state.memory, []).append(number)

    def accept(self, state: State) -> None:
        """Take the memory of a tensor as it is now for known."""
        for other, tensor in self.sharing(state):
            other.version, other.writes, other.blank = version_of(tensor), 0, False

    def is_blank(self, state: State) -> bool:
        """Whether a tensor looks at the memory of another that is blank."""
        return any(other.blank for other, _ in self.sharing(state))

    def wrote(self, number: int) -> None:
        """An operation, not over yet, writes a tensor."""
        state = self.all.get(number)
        if state is None:
            return
        for other, _ in self.sharing(state):
            other.writes += 1
            other.blank = False
            self._open.append(other)
        tensor = self.live(state)
        if tensor is not None and self.moved(state, tensor):
            self.move(number, tensor)
            state.version = None
            self._open.append(state)

    def forget(self) -> None:
        """Know no tensor any more."""
        self.all.clear()
        self._sharing.clear()
        self._open.clear()


def memory_of(tensor: Tensor) -> int:
    """Which storage a tensor has, as an object; 0 for none."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (RuntimeError, NotImplementedError) as error:
        let_through(error)
        return _NO_MEMORY


def version_of(tensor: Tensor) -> int:
    """How often a tensor was written; inference tensors don't count."""
    return -1 if tensor.is_inference() else int(tensor._version)


class Written:
    """Which arguments of an operation it writes, by position and by name."""

    def __init__(self) -> None:
        self._places: dict[int, tuple[int, ...]] = {}

    def tensors(self, info: OpInfo, args: Sequence[Any], kwargs: Mapping[str, Any] | None) -> list[Tensor]:
        """The tensors that an operation writes in place."""
        places = self._places.get(info.index)
        if places is None:
            names = info.written | info.hidden_writes
            places = self._places[info.index] = tuple(at for at, name in enumerate(info.arguments) if name in names)
        if not places:
            return []
        given = [args[at] for at in places if at < len(args)]
        if kwargs:
            given += [entry for name, entry in kwargs.items() if name in info.written or name in info.hidden_writes]
        return [tensor for entry in given for tensor in tensors_in((entry,)) if tensor is not None]


def tensors_in(given: Sequence[Any]) -> Iterator[Tensor | None]:
    """The tensors among arguments in the order of an event's inputs, with the Nones of lists of tensors."""
    for entry in given:
        if isinstance(entry, Tensor):
            yield entry
        elif isinstance(entry, list | tuple):
            if any(isinstance(inner, Tensor) for inner in entry):
                yield from (inner if isinstance(inner, Tensor) else None for inner in entry)
            else:
                yield from tensors_in(entry)


def tensors_given(out: Any) -> Iterator[Tensor]:
    """The tensors that an operation gave, in the order of an event's outputs."""
    if isinstance(out, Tensor):
        yield out
    elif isinstance(out, list | tuple):
        for entry in out:
            yield from tensors_given(entry)
