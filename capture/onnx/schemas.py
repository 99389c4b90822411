"""What is known of operations: their names, and what onnx's own schemas call their inputs."""

from collections.abc import Mapping

from graphreel.capture.onnx.functions import domain_of


class Operation:
    """One operation of a domain.

    Attributes:
        name: With the domain unless that is onnx's own: `MatMul`, `com.microsoft.FusedMatMul`.
    """

    def __init__(self, name: str, parameters: tuple[str, ...], *, repeats: bool) -> None:
        self.name = name
        self._parameters = parameters
        self._repeats = repeats
        self._by_count: dict[int, tuple[str, ...]] = {}

    def input_names(self, count: int) -> tuple[str, ...]:
        """Names of the first `count` inputs; the last parameter may be repeated (`inputs.0`, `inputs.1`, …).

        Empty names where the operation is not known.
        """
        found = self._by_count.get(count)
        if found is None:
            found = self._by_count[count] = tuple(self._names(count))
        return found

    def _names(self, count: int) -> list[str]:
        if not self._repeats:
            return [*self._parameters[:count], *[""] * (count - len(self._parameters))]
        fixed = self._parameters[:-1][:count]
        return [*fixed, *(f"{self._parameters[-1]}.{index}" for index in range(count - len(fixed)))]


class Schemas:
    """The operations of one set of opset imports; each looked up once."""

    def __init__(self, opsets: Mapping[str, int]) -> None:
        self._opsets = opsets
        self._beside: dict[tuple[tuple[str, int], ...], Schemas] = {}
        self._operations: dict[tuple[str, str], Operation] = {}

    def operation(self, domain: str, op: str) -> Operation:
        """The operation of a node."""
        found = self._operations.get((domain, op))
        if found is None:
            parameters, repeats = self._look_up(domain, op)
            found = self._operations[domain, op] = Operation(operation_name(domain, op), parameters, repeats=repeats)
        return found

    def beside(self, opsets: Mapping[str, int]) -> "Schemas":
        """The operations of other imports: functions have some of their own, alike for each call."""
        key = tuple(sorted(opsets.items()))
        found = self._beside.get(key)
        if found is None:
            found = self._beside[key] = Schemas(opsets)
            found._beside = self._beside
        return found

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


def operation_name(domain: str, op: str) -> str:
    """What an operation is called: `MatMul`, `com.microsoft.FusedMatMul`."""
    domain = domain_of(domain)
    return f"{domain}.{op}" if domain else op or "unnamed operation"
