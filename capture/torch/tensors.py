"""Which tensor is which: by the live object, never by an `id` alone, since an `id` is given again after a death.

Nothing here keeps a tensor alive.
"""

from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias
from weakref import ref

import torch
from torch.nn import Parameter

from graphreel.capture.torch.generators import Generators
from graphreel.capture.torch.log import NO_ALIAS, NO_TENSOR, RawTensor
from graphreel.capture.torch.spared import let_through
from graphreel.graph import ValueKind

if TYPE_CHECKING:
    from graphreel.capture.torch.prediction import Earlier

Reference: TypeAlias = "ref[torch.Tensor]"

_GONE: Reference = ref(torch.empty(0))
"""Leads to nothing."""

_UNKNOWN: RawTensor = (None, None, None, NO_ALIAS)


class TensorTable:
    """Numbers the tensors of a pass in the order they are first seen.

    Attributes:
        refs: Weak references to the pass's tensors by number.
        known: Weak references to tensors of this pass and earlier ones by `id`. One counts only while it leads to the
            very tensor that is looked up. Like `numbers` it lacks what `caught_up` has not caught up with.
        numbers: Numbers of the pass's tensors by `id`; each of them is `known`.
        notes: What is noted of the pass's tensors, by number.
        outside: Numbers of the tensors that no operation of the pass made.
        addresses: Where the memory of those lies.
        members: Kinds and names of the parameters and buffers of the modules that run, by `id`.
        generators: Names of the pass's random generators.
        entered: Told of each tensor from outside when the pass first takes it, while set.
        remembered: Earlier passes that this one may repeat, the last one first.
        kept: What watches keep from pass to pass, by its class.
    """

    def __init__(self) -> None:
        self.refs: list[Reference] = []
        self.known: dict[int, Reference] = {}
        self.numbers: dict[int, int] = {}
        self.notes: list[RawTensor] = []
        self.outside: set[int] = set()
        self.addresses: dict[int, int] = {}
        self.members: dict[int, tuple[ValueKind, str]] = {}
        self._names, self._named = dict[int, tuple[ValueKind, str]](), dict[int, tuple[ValueKind, str]]()
        self.entered: Callable[[int, torch.Tensor], None] | None = None
        self.generators = Generators()
        self.remembered: list[Earlier] = []
        self.kept: dict[type, Any] = {}
        self.caught_up = 0
        self._owners: dict[int, tuple[Reference, int]] = {}
        self._places: dict[int, int] = {}
        self._placed = 0

    def begin(self, notes: list[RawTensor]) -> None:
        """Start a pass: numbers begin at 0 again, and references to tensors that died are dropped."""
        self.catch_up()
        self.notes, self.refs, self.caught_up = notes, [], 0
        self.known = {key: reference for key, reference in self.known.items() if reference() is not None}
        self.numbers, self.members, self._names, self._named, self._owners = {}, {}, {}, {}, {}
        self.outside, self.addresses, self._places, self._placed = set(), {}, {}, 0
        self.generators = Generators()

    @property
    def names(self) -> dict[int, tuple[ValueKind, str]]:
        """Kinds and names of gradients and optimizer states, by `id`."""
        return self._names

    def name(self, names: dict[int, tuple[ValueKind, str]]) -> None:
        """Know gradients and optimizer states by kind and name, each by the `id` that it has now, while it lives."""
        self.catch_up()
        self._names.update(names)
        met = {key: name for key, name in names.items() if key in self.numbers and self.known[key]() is not None}
        self._named.update({self.numbers[key]: name for key, name in met.items()})

    def catch_up(self) -> None:
        """Let `known` and `numbers` have what was expected and came, and so was kept in `refs` only."""
        refs = self.refs
        for number in range(self.caught_up, len(refs)):
            tensor = refs[number]()
            if tensor is None:
                refs[number] = _GONE
            else:
                self.numbers[key := id(tensor)] = number
                self.known[key] = refs[number]
        self.caught_up = len(refs)

    def let_go_of_dead(self) -> None:
        """Drop references that lead nowhere: Python's garbage collector looks through them, and at all else sooner."""
        self.refs[:] = [_GONE if reference() is None else reference for reference in self.refs]

    def meet(self, tensor: torch.Tensor) -> int:
        """The number of a tensor that enters an operation, given now if the pass has not seen it."""
        key = id(tensor)
        reference = self.known.get(key)
        seen = reference is not None and reference() is tensor
        if seen and key in self.numbers:
            return self.numbers[key]
        number = len(self.notes)
        self.notes.append(note(tensor, self._owner(tensor, number, seen=seen)))
        self.outside.add(number)
        if self.entered is not None:
            self.entered(number, tensor)
        self._add(key, number, reference if seen and reference is not None else ref(tensor))
        return number

    def made(self, tensor: torch.Tensor, alias: int = NO_ALIAS) -> int:
        """The number of a tensor that an operation gave: a new one, unless it gave back what it took."""
        key = id(tensor)
        number = self.numbers.get(key)
        if number is not None and self.known[key]() is tensor:
            return number
        number = len(self.notes)
        self.notes.append(note(tensor, alias))
        self._add(key, number, ref(tensor))
        return number

    def reshaped(self, tensor: torch.Tensor, number: int) -> int:
        """The number of a tensor after an operation that may have given it another shape: a new one if it did."""
        now = note(tensor, NO_ALIAS)
        if now[:2] == self.notes[number][:2]:
            return number
        number = len(self.notes)
        self.notes.append(now)
        self._add(id(tensor), number, ref(tensor))
        return number

    def _add(self, key: int, number: int, reference: Reference) -> None:
        self.known[key], self.numbers[key] = reference, number
        self.refs.append(reference)
        self.caught_up = len(self.refs)

    def enters_again(self, tensor: torch.Tensor, number: int, earlier: "Earlier", *, any_shape: bool) -> bool:
        """Take a tensor that is expected to enter with a number, as one of an earlier pass did; False if it does not.

        It must be of the same shape as that one, unless it may have any.
        One that was there in the earlier pass under this number cannot have another one in this pass: all before it
        were just those that have the numbers before, or are new.
        """
        refs = self.refs
        if number < len(refs):
            return refs[number]() is tensor
        expected = earlier.tensors[number]
        reference = earlier.refs[number]
        is_as = tensor.dtype is expected[0] and tensor.shape == expected[1]
        if is_as and reference() is tensor and expected[3] == NO_ALIAS:
            address = storage_address(tensor)
            owner = self._owners.get(address)
            if address and address == earlier.addresses.get(number) and (owner is None or owner[0]() is None):
                self._owners[address] = reference, number
                self.addresses[number] = address
                # At once, since names may be asked for when it has died.
                self.numbers[key := id(tensor)] = number
                self.known[key] = reference
                refs.append(reference)
                self.notes.append(expected)
                self.outside.add(number)
                if self.entered is not None:
                    self.entered(number, tensor)
                return True
        self.catch_up()
        if self.meet(tensor) != number:
            return False
        if self.notes[number] == expected:
            self.notes[number] = expected
            return True
        return any_shape

    def _owner(self, tensor: torch.Tensor, number: int, *, seen: bool) -> int:
        """The tensor of this pass whose memory one shares that comes from outside, or -1."""
        address = storage_address(tensor)
        if not address:
            return NO_ALIAS
        self.addresses[number] = address
        owner = self._owners.get(address)
        # One that died may have left its memory to another.
        if owner is not None and owner[0]() is not None:
            return owner[1]
        self._owners[address] = (ref(tensor), number)
        if seen or not number:
            return NO_ALIAS
        # Never seen, so it may have been made of another one behind the dispatcher's back (`Parameter(tensor)`).
        return self._at(address)

    def _at(self, address: int) -> int:
        """The first living tensor of the pass whose memory begins at an address, or -1."""
        refs = self.refs
        for number in range(self._placed, len(refs)):
            tensor = refs[number]()
            if tensor is not None and (place := storage_address(tensor)):
                before = self._places.get(place)
                if before is None or refs[before]() is None:
                    self._places[place] = number
        self._placed = len(refs)
        number = self._places.get(address, NO_TENSOR)
        if number == NO_TENSOR or refs[number]() is not None:
            return number
        # The first one died; it may have left its memory to another that was seen while it lived.
        living = ((at, reference()) for at, reference in enumerate(refs))
        return next((at for at, found in living if found is not None and storage_address(found) == address), NO_ALIAS)

    def number_of(self, tensor: torch.Tensor) -> int:
        """The number of a tensor that the pass has seen; -1 for any other."""
        self.catch_up()
        number = self.numbers.get(key := id(tensor), NO_TENSOR)
        return number if number >= 0 and self.known[key]() is tensor else NO_TENSOR

    def knows_memory_of(self, tensor: torch.Tensor) -> bool:
        """Whether the pass has seen a tensor, or another one that is alive and in the same memory."""
        if self.number_of(tensor) >= 0:
            return True
        address = storage_address(tensor)
        living = (self.known[key]() for key in self.numbers)
        return bool(address) and any(other is not None and storage_address(other) == address for other in living)

    def is_of_pass(self, tensor: torch.Tensor) -> bool:
        """Whether the pass has taken or made a tensor, or it is part of a module that runs."""
        return id(tensor) in self.members or self.number_of(tensor) != NO_TENSOR

    def is_state(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is a parameter or buffer of the modules that run, or a gradient or state of an optimizer."""
        return id(tensor) in self.names or id(tensor) in self.members or isinstance(tensor, Parameter)

    def forget(self, tensor: object) -> None:
        """Hold nothing of a tensor any more, not even a weak reference."""
        self.catch_up()
        self.known.pop(id(tensor), None)
        self.numbers.pop(id(tensor), None)
        models = (earlier.model for earlier in self.remembered)
        for refs in (self.refs, *(earlier.refs for earlier in (*self.remembered, *models) if earlier is not None)):
            refs[:] = [_GONE if reference() is tensor else reference for reference in refs]
        self._owners = {address: owner for address, owner in self._owners.items() if owner[0]() is not tensor}

    def named(self) -> dict[int, tuple[ValueKind, str]]:
        """Kind and name of the pass's tensors that have one, by number."""
        self.catch_up()
        members = {self.numbers[key]: name for key, name in self.members.items() if key in self.numbers}
        return self._named | members


def note(tensor: torch.Tensor, alias: int) -> RawTensor:
    """What is noted of a tensor; a kind of tensor that has no shape yet, or no device, leaves it open."""
    try:
        if type(tensor) is torch.Tensor:
            return tensor.dtype, tuple(tensor.shape), tensor.device, alias
        # A size that differs from row to row of a jagged tensor is a symbol, and a new one each time.
        shape = tuple(size if type(size) is int else None for size in tensor.shape)
        return tensor.dtype, shape, tensor.device, alias
    except (RuntimeError, ValueError, NotImplementedError) as error:
        let_through(error)
        return _UNKNOWN


def storage_address(tensor: torch.Tensor) -> int:
    """Where a tensor's memory begins; 0 where it has none."""
    if type(tensor).__torch_dispatch__ is not torch.Tensor.__torch_dispatch__:
        # Its class decides what it is made of, and a fake tensor warns when it is asked.
        return 0
    try:
        return tensor.untyped_storage().data_ptr()
    except (RuntimeError, ValueError, NotImplementedError) as error:
        let_through(error)
        return 0


class SwapGuard:
    """Lets go of tensors that are about to be swapped, until it is removed.

    WORKAROUND: torch.utils.swap_tensors, which Module.to() and load_state_dict() may use, refuses a tensor that has a
    weak reference.
    """

    def __init__(self, table: TensorTable) -> None:
        swap: Callable[[torch.Tensor, torch.Tensor], None] = torch.utils.swap_tensors
        self._swap = swap

        @wraps(swap)
        def swap_tensors(t1: torch.Tensor, t2: torch.Tensor) -> None:
            table.forget(t1)
            table.forget(t2)
            swap(t1, t2)

        self._ours = swap_tensors
        torch.utils.swap_tensors = swap_tensors

    def remove(self) -> None:
        """Put PyTorch's own function back, unless somebody has replaced ours meanwhile."""
        if torch.utils.swap_tensors is self._ours:
            torch.utils.swap_tensors = self._swap
