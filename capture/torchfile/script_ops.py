"""Names of TorchScript's operations and of their arguments, spelled as the recorder spells them."""

from typing import Any


class Schemas:
    """Argument names of operations, read from each schema once."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[str, ...]] = {}

    def arguments(self, node: Any) -> tuple[str, ...]:
        """Names of a node's inputs; empty where PyTorch has no schema of it."""
        if node.kind() in _CONTROL:
            return _CONTROL[node.kind()]
        text = node.schema()
        if "(" not in text or text == _NO_SCHEMA:
            return ()
        if text not in self._known:
            from torch._C import parse_schema

            self._known[text] = tuple(argument.name for argument in parse_schema(text).arguments)
        return self._known[text]


_NO_SCHEMA = "(no schema)"
_CONTROL = {"prim::If": ("condition",), "prim::Loop": ("trips", "condition")}


def op_name(node: Any) -> str:
    """`aten.mul.Tensor` for an operation of ATen's, `prim::If` for one of the language's own."""
    kind = str(node.kind())
    space, _, name = kind.partition("::")
    if space == "prim":
        return kind
    full = str(node.schema()).partition("(")[0]
    overload = full.partition(".")[2] if full.startswith(kind) else ""
    return f"{space}.{name}.{overload or 'default'}"


def is_in_place(op: str) -> bool:
    """Whether an operation writes its first argument, by its name's last letter."""
    name = op.split(".")[1] if op.count(".") == 2 else ""
    return name.endswith("_") and not name.endswith("__")
