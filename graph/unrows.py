"""From plain rows back to a graph, with one clear error for whatever the rows should not hold."""

from collections.abc import Iterator, Mapping
from enum import IntEnum
from typing import Any, TypeVar

from graphreel.graph.builder import GraphBuilder
from graphreel.graph.errors import FormatError, LintError
from graphreel.graph.lint import lint
from graphreel.graph.model import Graph
from graphreel.graph.rows import Row, plain_again
from graphreel.graph.types import NONE, ROOT, Access, Direction, Phase, ScopeKind, ValueKind, word

Kind = TypeVar("Kind", bound=IntEnum)
_LARGEST = 2**31 - 1


def from_rows(rows: Mapping[str, Any], kind: str) -> Graph:
    """The graph that the rows describe; `kind` names in errors what they come from.

    Raises FormatError, which names the row and the field.
    """
    reader = _RowReader(rows, kind)
    graph = reader.read()
    try:
        lint(graph)
    except LintError as error:
        raise FormatError.at(kind, "", str(error).removeprefix("graph bug, please report: ")) from error
    return graph


class _RowReader:
    """Reads section after section; `where` is the row under way, for errors."""

    def __init__(self, rows: Mapping[str, Any], kind: str) -> None:
        self.rows = rows
        self.kind = kind
        self.where = ""
        self.builder = GraphBuilder()
        self.paths: dict[str, int] = {"": ROOT}
        self.sources: list[int] = []

    def read(self) -> Graph:
        self.builder.meta = {str(key): str(text) for key, text in self._meta().items()}
        for row in self._section("sources"):
            self._source(row)
        owners = [(self._scope(row), self._number(row, "owner")) for row in self._section("scopes")]
        for row in self._section("nodes"):
            self._node(row)
        for row in self._section("values"):
            self._value(row)
        for scope, owner in owners:
            self.builder.set_owner(scope, owner)
        for row in self._section("boundaries"):
            self._boundary(row)
        self._pairs()
        return self.builder.build()

    def _meta(self) -> Mapping[str, Any]:
        meta = self.rows.get("meta", {})
        if not isinstance(meta, dict):
            raise self._fault("meta", "an object is wanted")
        return meta

    def _section(self, name: str) -> Iterator[Row]:
        rows = self._list(name)
        for index, row in enumerate(rows):
            self.where = f"{name}[{index}]"
            if not isinstance(row, dict):
                raise self._fault("", "an object is wanted")
            if row.get("id", index) != index:
                raise self._fault("id", f"rows are numbered in order, so {index} is wanted")
            yield row

    def _list(self, name: str) -> list[Any]:
        self.where = ""
        found = self.rows.get(name, [])
        if not isinstance(found, list):
            raise self._fault(name, "a list is wanted")
        return found

    def _source(self, row: Row) -> None:
        place = self._text(row, "file"), self._number(row, "line", 0), self._text(row, "function")
        self.sources.append(self.builder.source(*place, self._source_at(row, "caller")))

    def _source_at(self, row: Row, field: str = "source") -> int:
        number = self._number(row, field)
        if number >= len(self.sources):
            raise self._fault(field, f"no source {number} stands before it")
        return self.sources[number] if number != NONE else NONE

    def _scope(self, row: Row) -> int:
        path = self._text(row, "path")
        above, _, name = path.rpartition("/")
        if not name or path in self.paths:
            raise self._fault("path", "each scope needs a path of its own")
        scope = self.builder.scope(
            name,
            self._scope_at(above, "path"),
            self._kind(row, "kind", ScopeKind.MODULE),
            type=self._text(row, "type"),
            source=self._source_at(row),
            attributes=self._attributes(row),
        )
        self.paths[path] = scope
        return scope

    def _node(self, row: Row) -> None:
        if "op" not in row:
            raise self._fault("op", "is missing")
        node = self.builder.node(
            self._text(row, "op"),
            scope=self._scope_at(self._text(row, "scope"), "scope"),
            phase=self._kind(row, "phase", Phase.FORWARD),
            source=self._source_at(row),
            name=self._text(row, "name"),
            forward=self._number(row, "forward"),
            attributes=self._attributes(row),
        )
        inputs = row.get("inputs", [])
        if not isinstance(inputs, list) or not all(isinstance(taken, dict) for taken in inputs):
            raise self._fault("inputs", "a list of objects is wanted")
        for taken in inputs:
            access = self._kind(taken, "access", Access.READ)
            self.builder.add_input(node, self._number(taken, "value"), self._text(taken, "name"), access)

    def _value(self, row: Row) -> None:
        self.builder.value(
            self._text(row, "dtype"),
            self._shape(row),
            producer=self._number(row, "producer"),
            port=self._number(row, "port", 0),
            name=self._text(row, "name"),
            kind=self._kind(row, "kind", ValueKind.ACTIVATION),
            device=self._text(row, "device"),
            storage=self._number(row, "storage"),
            version=self._number(row, "version", 0),
            base=self._number(row, "base"),
            previous=self._number(row, "previous"),
            attributes=self._attributes(row),
        )

    def _shape(self, row: Row) -> list[Any] | None:
        shape = row.get("shape")
        if shape is None:
            return None
        if not isinstance(shape, list) or not all(_is_dim(dim) for dim in shape):
            raise self._fault("shape", "a list of sizes, names and nulls is wanted")
        return shape

    def _boundary(self, row: Row) -> None:
        scope = self._scope_at(self._text(row, "scope"), "scope")
        enters = self._kind(row, "direction", Direction.ENTER) == Direction.ENTER
        add = self.builder.enter if enters else self.builder.leave
        add(scope, self._number(row, "outer"), self._number(row, "inner"))

    def _pairs(self) -> None:
        for pair in self._list("controls"):
            if not (isinstance(pair, list) and len(pair) == 2 and all(map(_is_number, pair))):
                raise self._fault("controls", "pairs of node numbers are wanted")
            self.builder.control(pair[0], pair[1])
        for value in self._list("outputs"):
            if not _is_number(value):
                raise self._fault("outputs", "value numbers are wanted")
            self.builder.output(value)

    def _scope_at(self, path: str, field: str) -> int:
        found = self.paths.get(path)
        if found is None:
            raise self._fault(field, f"no scope {path!r} stands before it")
        return found

    def _text(self, row: Row, field: str) -> str:
        found = row.get(field, "")
        if not isinstance(found, str):
            raise self._fault(field, "a text is wanted")
        return found

    def _number(self, row: Row, field: str, default: int = NONE) -> int:
        found = row.get(field)
        if found is None:
            return default
        if not _is_number(found):
            raise self._fault(field, "a whole number from 0 on is wanted")
        return int(found)

    def _kind(self, row: Row, field: str, default: Kind) -> Kind:
        if field not in row:
            return default
        members = {word(member): member for member in type(default)}
        found = row[field]
        if not isinstance(found, str) or found not in members:
            raise self._fault(field, f"one of {', '.join(members)} is wanted")
        return members[found]

    def _attributes(self, row: Row) -> Row:
        found = row.get("attributes", {})
        if not isinstance(found, dict):
            raise self._fault("attributes", "an object is wanted")
        return {str(key): plain_again(plain) for key, plain in found.items()}

    def _fault(self, field: str, what: str) -> FormatError:
        return FormatError.at(self.kind, ".".join(filter(None, (self.where, field))), what)


def _is_number(found: Any) -> bool:
    return isinstance(found, int) and not isinstance(found, bool) and 0 <= found <= _LARGEST


def _is_dim(found: Any) -> bool:
    if isinstance(found, int):
        return not isinstance(found, bool) and 0 <= found < 2**63
    return found is None or isinstance(found, str)
