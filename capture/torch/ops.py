"""What the recorder needs to know of an operator, read from its schema once."""

from dataclasses import dataclass
from typing import Any

import torch

from graphreel.capture.torch.composite import as_without_mode, is_composite
from graphreel.capture.torch.profiler import begin_range

UNSAFE_VIEWS = frozenset({"aten::_unsafe_view", "aten::lift_fresh", "aten::lift"})
"""Give a view of their first argument, though the schema does not say so."""

HIDDEN_WRITES = {
    "aten::native_batch_norm": frozenset({"running_mean", "running_var"}),
    "aten::cudnn_batch_norm": frozenset({"running_mean", "running_var"}),
    "aten::miopen_batch_norm": frozenset({"running_mean", "running_var"}),
}
"""Write these arguments while `training` is true, though the schema does not say so."""

READS_HOST = ("aten::_local_scalar_dense", "aten::item")
"""Hand a number to Python; the latter arrives whole in inference mode."""

REBUILDING = frozenset(
    f"aten::{name}"
    for name in (
        "empty",
        "set_",
        "_empty_affine_quantized",
        "_empty_per_channel_affine_quantized",
        "_sparse_coo_tensor_unsafe",
        "_sparse_coo_tensor_with_dims_and_tensors",
        "sparse_compressed_tensor",
        "_sparse_compressed_tensor_unsafe",
        "_nested_view_from_buffer",
        "_nested_view_from_buffer_copy",
    )
)
"""Operators that PyTorch runs, among others' uses of them, to make a tensor again of a pickled one."""

BLANK = frozenset(
    f"aten::{name}"
    for name in ("empty", "empty_like", "empty_strided", "empty_permuted", "new_empty", "new_empty_strided")
)
"""Give memory that nobody has written yet."""

BOOKKEEPING = ("profiler::_record_function_enter", "profiler::_record_function_exit")
"""Operators that only mark ranges for the profiler."""


_FOLLOWING = frozenset(
    {
        "aten::mm",
        "aten::addmm",
        "aten::bmm",
        "aten::baddbmm",
        "aten::t",
        "aten::transpose",
        "aten::permute",
        "aten::view",
        "aten::_unsafe_view",
        "aten::expand",
        "aten::select",
        "aten::slice",
        "aten::unsqueeze",
        "aten::detach",
        "aten::clone",
        "aten::sum",
        "aten::mean",
        "aten::cat",
        "aten::stack",
        "aten::convolution",
        "aten::_softmax",
        "aten::_log_softmax",
        "aten::_softmax_backward_data",
        "aten::threshold_backward",
        "aten::embedding",
        "aten::gelu_backward",
        "aten::select_backward",
        "aten::slice_backward",
    }
)
"""Beside those that go element by element, operators whose outputs have shapes that follow from those of the inputs."""


@dataclass(frozen=True, slots=True, eq=False)
class OpInfo:
    """An operator as the recorder needs it.

    Attributes:
        index: Its place among the operators that a recording has met.
        func: The operator itself; held so that its `id` stays its own.
        name: As it is written in the graph: `aten.addmm.default`.
        call: What runs it; spares one Python frame where that is safe.
        arguments: Names of the schema's arguments, by position.
        written: Names of the arguments that are written in place.
        hidden_writes: Names of the arguments that are written only while training.
        view_of: For each output, the name of the argument that it is a view of, or None.
        fresh: Whether it gives new tensors in new memory, always.
        may_copy: Whether a view may turn out to be a copy, so that memory must be compared.
        reshapes: Whether it gives the tensor it took another shape (`squeeze_`, `resize_`, `set_`).
        follows_inputs: Whether shape, dtype and device of what it gives follow from those of its inputs and its other
            arguments.
        reads_host: Whether it hands a number to Python (`.item()`).
        takes_storage: Whether an argument is memory without a tensor (`set_`).
        blank: Whether it gives memory that nobody has written yet.
        rebuilds: Whether it may be a part of making a tensor again of a pickled one.
        skipped: Whether it is the profiler's bookkeeping, and no node.
    """

    index: int
    func: Any
    name: str
    call: Any
    arguments: tuple[str, ...] = ()
    written: frozenset[str] = frozenset()
    hidden_writes: frozenset[str] = frozenset()
    view_of: tuple[str | None, ...] = ()
    fresh: bool = False
    may_copy: bool = False
    reshapes: bool = False
    follows_inputs: bool = False
    reads_host: bool = False
    takes_storage: bool = False
    blank: bool = False
    rebuilds: bool = False
    skipped: bool = False


def op_info(func: Any, index: int) -> OpInfo:
    """Read an operator. One without a schema, such as `torch.cond`, is known by its name only."""
    if not isinstance(func, torch._ops.OpOverload):
        return OpInfo(index=index, func=func, name=str(func), call=func)
    schema = func._schema
    written = frozenset(a.name for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write)
    name = schema.name
    views = tuple(_viewed(schema, result) for result in schema.returns)
    if name in UNSAFE_VIEWS:
        views = (schema.arguments[0].name,)
    composite = is_composite(func)
    call = _call_of(func, name)
    return OpInfo(
        index=index,
        func=func,
        name=str(func),
        call=as_without_mode(call) if composite else call,
        arguments=tuple(a.name for a in schema.arguments),
        written=written,
        hidden_writes=HIDDEN_WRITES.get(name, frozenset()),
        view_of=views,
        fresh=not (written or any(views) or composite),
        may_copy=any(views) and composite,
        reshapes=torch.Tag.inplace_view in func.tags,
        follows_inputs=torch.Tag.pointwise in func.tags or name in _FOLLOWING,
        reads_host=name in READS_HOST,
        takes_storage=any(a.real_type.kind() == "StorageType" for a in schema.arguments),
        blank=name in BLANK,
        rebuilds=name in REBUILDING,
        skipped=name.startswith(BOOKKEEPING),
    )


def _call_of(func: Any, name: str) -> Any:
    # A TorchBind operator decides in its __call__ how it is to run.
    call = func._op if type(func) is torch._ops.OpOverload else func
    return begin_range(call) if name.startswith(BOOKKEEPING[0]) else call


def _viewed(schema: Any, result: Any) -> str | None:
    """The argument whose memory an output shares, by the letters of the schema: `view(Tensor(a) self) -> Tensor(a)`."""
    if result.alias_info is None:
        return None
    for argument in schema.arguments:
        alias = argument.alias_info
        if alias is None:
            continue
        # A list of views, as of `split(Tensor(a -> *) self) -> Tensor(a)[]`, has no letter on the output's side.
        if "*" in alias.after_set or alias.before_set & result.alias_info.before_set:
            return str(argument.name)
    return None
