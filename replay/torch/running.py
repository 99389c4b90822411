"""How a node's call is executed: as recorded, in another dtype, or on another device."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from graphreel.graph import Access, ValueKind
from graphreel.replay.torch.arguments import DTYPES, Call
from graphreel.replay.torch.calls import Calls, operator_of
from graphreel.replay.torch.drawing import draws
from graphreel.replay.torch.memory import Conversion, Place, unconverted
from graphreel.replay.torch.operators import is_composite, makes_views
from graphreel.replay.torch.randomness import Randomness
from graphreel.replay.torch.refused import Refused

_COMPLEX = {torch.float64: torch.complex128, torch.float32: torch.complex64}
_FLOATING = frozenset({torch.float64, torch.float32, torch.bfloat16, torch.float16})


def recorded_place(name: str) -> torch.device:
    """The device that a tensor was on; raises Refused where there is none such here."""
    kind, _, index = name.partition(":")
    if kind == "cuda" and not (torch.cuda.is_available() and int(index or 0) < torch.cuda.device_count()):
        raise Refused(f"it was on {name}, and there is no such device here; give --device cpu")
    if kind not in {"cpu", "cuda", "meta"}:
        raise Refused(f"it was on {name[:40]!r}, where nothing can be executed again")
    return torch.device(name)


def to_dtype(target: torch.dtype) -> Conversion:
    """Every floating dtype as this one, complex ones along with it."""

    def convert(dtype: torch.dtype) -> torch.dtype:
        if dtype in _FLOATING:
            return target
        return _COMPLEX.get(target, dtype) if dtype in {torch.complex64, torch.complex128} else dtype

    return convert


@dataclass(slots=True)
class Running:
    """Executes nodes as recorded, or all in another dtype or on another device.

    What draws random numbers is executed as recorded and its results converted, so that the numbers are the same ones.
    So is what the other dtype or device has no kernel for.

    Attributes:
        single: The dtype that single nodes are to be computed in.
        as_recorded: Which nodes were executed as recorded all the same, and why.
    """

    calls: Calls
    randomness: Randomness
    dtype: Conversion = unconverted
    place: Place = recorded_place
    converts: bool = False
    single: Mapping[int, torch.dtype] = field(default_factory=dict)
    as_recorded: dict[int, str] = field(default_factory=dict)

    def run(self, node: int, inputs: Sequence[Tensor]) -> Any:
        """What a node gives for these inputs; raises Refused, and whatever the operator raises."""
        call = self.calls.of(node)
        if not _had_gradients(call, len(self.calls.graph.outputs_of(node))):
            with torch.no_grad(), _views_know_their_base():
                return _map_tensors(Tensor.detach, self._run(node, call, self._trainable(node, inputs)))
        return self._run(node, call, inputs)

    def _trainable(self, node: int, inputs: Sequence[Tensor]) -> list[Tensor]:
        """The inputs of a composite operator, of which parameters ask for gradients: `matmul` goes another way then."""
        graph = self.calls.graph
        kinds = [graph.value(value).kind for value in graph.inputs_of(node).tolist()]
        return [
            tensor.detach().requires_grad_() if kind is ValueKind.PARAMETER and tensor.is_floating_point() else tensor
            for tensor, kind in zip(inputs, kinds, strict=True)
        ]

    def _run(self, node: int, call: Call, inputs: Sequence[Tensor]) -> Any:
        if node in self.single:
            target = to_dtype(self.single[node])
            return self._apart(node, call.converted(_dtypes(target)), inputs, lambda _: target)
        if not self.converts:
            return self.calls.run(node, call, inputs, self.randomness)
        operator = operator_of(call)
        if draws(call):
            self.as_recorded[node] = "it draws random numbers, which are to be the same ones"
            return self._as_recorded(node, call, inputs)
        try:
            with _default_dtype(self.dtype(torch.get_default_dtype())):
                return self.calls.run(node, call.converted(self._converted), inputs, self.randomness)
        except RuntimeError as error:
            if operator is None or makes_views(operator):
                raise
            given = self._as_recorded(node, call, inputs)
            self.as_recorded[node] = str(error).partition("\n")[0]
            return given

    def _converted(self, argument: Any) -> Any:
        if isinstance(argument, torch.dtype):
            return self.dtype(argument)
        return self.place(str(argument)) if isinstance(argument, torch.device) else argument

    def _as_recorded(self, node: int, call: Call, inputs: Sequence[Tensor]) -> Any:
        graph = self.calls.graph
        values = [graph.value(value) for value in graph.inputs_of(node).tolist()]

        def recorded(at: int) -> Conversion:
            name = values[at].dtype
            return lambda dtype: DTYPES.get(name, dtype)

        moved = [
            tensor.to(recorded_place(value.device)) if str(tensor.device) != value.device else tensor
            for tensor, value in zip(inputs, values, strict=True)
        ]
        return self._apart(node, call, moved, recorded, inputs)

    def _apart(
        self,
        node: int,
        call: Call,
        given: Sequence[Tensor],
        dtype_of: Callable[[int], Conversion],
        inputs: Sequence[Tensor] = (),
    ) -> Any:
        """Execute a node on converted copies of its inputs, and convert back what it gives and what it writes."""
        inputs = inputs or given
        copies = [_cast(tensor, dtype_of(at)) for at, tensor in enumerate(given)]
        out = self.calls.run(node, call, copies, self.randomness)
        graph = self.calls.graph
        start = int(graph.inputs.start[node])
        for at, (copy, tensor) in enumerate(zip(copies, inputs, strict=True)):
            if copy is not tensor and graph.inputs.access[start + at] == Access.WRITE:
                tensor.copy_(copy)
        back = {id(copy): tensor for copy, tensor in zip(copies, inputs, strict=True)}
        ports = iter([graph.value(value) for value in graph.outputs_of(node).tolist()])

        def returned(entry: Any) -> Any:
            if isinstance(entry, list | tuple):
                return [returned(inner) for inner in entry]
            if not isinstance(entry, Tensor):
                return entry
            value = next(ports, None)
            if id(entry) in back:
                return back[id(entry)]
            dtype = entry.dtype if value is None else DTYPES.get(value.dtype, entry.dtype)
            device = entry.device if value is None else self.place(value.device)
            return entry.to(device=device, dtype=self.dtype(dtype))

        return returned(out)


def _views_know_their_base() -> Any:
    c = torch._C
    excluded = c._dispatch_tls_local_exclude_set().remove(c.DispatchKey.ADInplaceOrView)
    return c._ForceDispatchKeyGuard(c._dispatch_tls_local_include_set(), excluded)


def _map_tensors(change: Callable[[Tensor], Tensor], out: Any) -> Any:
    if isinstance(out, list | tuple):
        return [_map_tensors(change, entry) for entry in out]
    return change(out) if isinstance(out, Tensor) and out.requires_grad else out


@contextmanager
def _default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Let an operation that is given no dtype, such as `ones`, make tensors of this one."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def _had_gradients(call: Call, outputs: int) -> bool:
    """Whether gradients were being recorded when a node ran, as far as its operator computes otherwise with them.

    Nothing but inference mode hands an operator that is made of others over whole; and a layer of oneDNN's gives its
    work space only to a backward.
    """
    operator = operator_of(call)
    if operator is None:
        return True
    if operator.name() == "aten::mkldnn_rnn_layer":
        return outputs > 3
    return not is_composite(operator)


def _dtypes(convert: Conversion) -> Callable[[Any], Any]:
    return lambda argument: convert(argument) if isinstance(argument, torch.dtype) else argument


def _cast(tensor: Tensor, convert: Conversion) -> Tensor:
    if tensor.dtype not in _FLOATING and not tensor.is_complex():
        return tensor
    return tensor.to(convert(tensor.dtype))
