"""Finds operators by the names that a trace gives them, and nothing else.

A name from a file is looked up in the list of the dispatcher's operators before any attribute of PyTorch is touched,
so that it can lead nowhere else. Of these, only those that compute are executed.
"""

import re
from collections.abc import Sequence
from functools import cache
from typing import Any

import torch

from graphreel.replay.torch.importing import imported, registered
from graphreel.replay.torch.refused import Refused

COMPUTING = frozenset(
    {"aten", "prims", "quantized", "_quantized", "quantized_decomposed", "mkldnn", "mkl", "onednn", "sparse"}
)
"""Namespaces of PyTorch's own operators that compute. Others talk to processes or devices (`c10d`, `symm_mem`)."""

TOUCHING_FILES = frozenset({"aten::from_file", "aten::from_file.out"})

EMPTY = frozenset(
    f"aten::{name}"
    for name in (
        "empty.memory_format",
        "empty.names",
        "empty.out",
        "empty_like",
        "empty_strided",
        "empty_permuted",
        "new_empty",
        "new_empty_strided",
        "resize_",
        "_efficientzerotensor",
    )
)
"""Give memory that nobody has written yet."""

_NAME = re.compile(r"([A-Za-z_]\w*)\.([A-Za-z_]\w*)\.(\w+)")


class Operators:
    """The operators that may be executed: PyTorch's own that compute, and those that a user's module registers."""

    def __init__(self, modules: Sequence[str] = ()) -> None:
        self._users = frozenset[str]().union(*map(imported, modules))
        self._all = registered()
        self._found: dict[str, Any] = {}

    def find(self, op: str) -> Any:
        """The operator that a trace calls so; raises Refused, saying why."""
        found = self._found.get(op)
        if found is None:
            found = self._found[op] = self._look_up(op)
        return found

    def _look_up(self, op: str) -> Any:
        match = _NAME.fullmatch(op)
        if match is None:
            raise Refused(f"{op[:80]!r} is no operator that takes plain data only")
        namespace, name, overload = match.groups()
        full = f"{namespace}::{name}" if overload == "default" else f"{namespace}::{name}.{overload}"
        if full not in self._all:
            raise Refused(
                f"this PyTorch ({torch.__version__}) has no operator {op}; if a module of yours registers it, "
                "name that: --import my_module"
            )
        if full in TOUCHING_FILES:
            raise Refused("it opens a file, which a trace may not ask for")
        if namespace not in COMPUTING and full not in self._users:
            raise Refused(f"operators of {namespace} are not executed again: they do more than compute")
        found = getattr(getattr(getattr(torch.ops, namespace), name), overload)
        if not isinstance(found, torch._ops.OpOverload) or found._schema.name != f"{namespace}::{name}":
            raise Refused(f"{op} is no operator")
        return found


def full_name(operator: Any) -> str:
    """An operator as the dispatcher calls it: `aten::add.Tensor`."""
    schema = operator._schema
    return f"{schema.name}.{schema.overload_name}" if schema.overload_name else str(schema.name)


def is_random(operator: Any) -> bool:
    """Whether an operator draws random numbers, or may."""
    return torch.Tag.nondeterministic_seeded in operator.tags or operator.namespace not in COMPUTING


@cache
def is_composite(operator: Any) -> bool:
    """Whether an operator is made of others, which only inference mode hands over whole."""
    try:
        return torch._C._dispatch_has_kernel_for_dispatch_key(full_name(operator), "CompositeImplicitAutograd")
    except RuntimeError:
        return False


def makes_views(operator: Any) -> bool:
    """Whether what it gives may look at the memory of what it takes, other than by writing it in place."""
    returns = operator._schema.returns
    return any(entry.alias_info is not None and not entry.alias_info.is_write for entry in returns)
