"""What onnx's own operator schemas say: the names of an operation's inputs."""

from collections.abc import Mapping

from graphreel.capture.onnx.functions import domain_of


class Schemas:
    """Names of inputs by operation, for one set of opset imports; each looked up once."""

    def __init__(self, opsets: Mapping[str, int]) -> None:
        self._opsets = opsets
        self._names: dict[tuple[str, str], tuple[tuple[str, ...], bool]] = {}

    def input_names(self, domain: str, op: str, count: int) -> list[str]:
        """Names of the first `count` inputs; the last parameter may be repeated (`inputs.0`, `inputs.1`, …).

        Empty names where the operation is not known.
        """
        found = self._names.get((domain, op))
        if found is None:
            found = self._names[domain, op] = self._look_up(domain, op)
        names, repeats = found
        if not repeats:
            return [*names[:count], *[""] * (count - len(names))]
        fixed = names[:-1][:count]
        return [*fixed, *(f"{names[-1]}.{index}" for index in range(count - len(fixed)))]

    def _look_up(self, domain: str, op: str) -> tuple[tuple[str, ...], bool]:
        from onnx import defs

        domain = domain_of(domain)
        version = self._opsets.get(domain, 0)
        try:
            # Without an import the newest version that is known has to do.
            schema = defs.get_schema(op, version, domain) if 0 < version < 2**31 else defs.get_schema(op, domain)
        except (defs.SchemaError, ValueError):
            return (), False
        repeats = bool(schema.inputs) and schema.inputs[-1].option == defs.OpSchema.FormalParameterOption.Variadic
        return tuple(parameter.name for parameter in schema.inputs), repeats
