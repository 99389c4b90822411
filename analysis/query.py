"""The language of searches: what a query means, read by recursive descent. Nothing is evaluated here.

    query      = every ("OR" every)*
    every      = term term*                     all of them hold
    term       = ("-" | "NOT ") term | "(" query ")" | [field ":"] text | number relation literal
    text       = word | '"' anything '"' | "[8, 16]"     `*` and `?` in a word are wildcards

`op:matmul shape:*x768 time>1ms scope:layers.3` is one.
"""

import re
from dataclasses import dataclass
from typing import TypeAlias

from graphreel.analysis.measures import MEASURES, Unit
from graphreel.graph import GraphreelError

FIELDS = {
    "op": "op:matmul",
    "name": "name:relu_1",
    "scope": "scope:layers.3",
    "value": "value:fc1.weight",
    "shape": "shape:8x16",
    "dtype": "dtype:float16",
    "device": "device:cuda",
    "phase": "phase:backward",
    "source": "source:train.py:41",
    "attr": "attr:alpha=1",
    "kind": "kind:parameter",
}
"""What a text can be looked for in, with an example of each."""

RELATIONS = (">=", "<=", "!=", ">", "<", "=")
_UNITS: dict[Unit, dict[str, float]] = {
    Unit.TIME: {"ns": 1, "us": 1e3, "µs": 1e3, "μs": 1e3, "ms": 1e6, "s": 1e9, "min": 60e9},
    Unit.BYTES: {"b": 1.0}
    | {f"{letter}{rest}": 1024.0**power for power, letter in enumerate("kmgt", 1) for rest in ("", "b", "ib")},
    Unit.COUNT: {"": 1, "k": 1e3, "m": 1e6, "g": 1e9},
    Unit.NUMBER: {"": 1, "k": 1e3, "m": 1e6, "g": 1e9},
}
_TOLD_UNITS = {Unit.TIME: "5us, 1ms or 2s", Unit.BYTES: "512B, 4kB or 1MB", Unit.COUNT: "8 or 1e6", Unit.NUMBER: "1e4"}
_FIELD = re.compile(r"([a-z]+):")
_NUMBER = re.compile(r"(?P<name>[a-z]+)(?P<relation>>=|<=|!=|>|<|=)")
_LITERAL = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:e[+-]?\d+)?")
_MOST_NESTED = 50


class QueryError(GraphreelError):
    """A query that cannot be understood, or asks for what was not recorded.

    Attributes:
        column: Where in the query it goes wrong, from 0.
    """

    column = 0

    @classmethod
    def at(cls, column: int, what: str) -> "QueryError":
        """Say where and what; columns are told from 1."""
        error = cls(f"column {column + 1}: {what}")
        error.column = column
        return error


@dataclass(frozen=True, slots=True)
class Word:
    """A text to look for, in one field or in any; `wild` is whether `*` and `?` in it are wildcards."""

    text: str
    field: str = ""
    wild: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """A number of a node beside a literal; `column` is where the query says so."""

    name: str
    relation: str
    number: float
    column: int


@dataclass(frozen=True, slots=True)
class Without:
    """What a term does not hold for."""

    term: "Term"


@dataclass(frozen=True, slots=True)
class Every:
    """What all of these terms hold for."""

    terms: tuple["Term", ...]


@dataclass(frozen=True, slots=True)
class Either:
    """What any of these terms holds for."""

    terms: tuple["Term", ...]


Term: TypeAlias = Word | Comparison | Without | Every | Either


def parse_query(query: str) -> Term | None:
    """What a query means; None where it says nothing. Raises QueryError."""
    if not query.strip():
        return None
    reader = _Reader(query)
    found = reader.either(0)
    if reader.at < len(query):
        raise QueryError.at(reader.at, "this ')' closes nothing; put it in quotes to look for it")
    return found


class _Reader:
    """Stands somewhere in a query; each method reads one rule of the grammar from there."""

    def __init__(self, query: str) -> None:
        self.query, self.at = query, 0
        small = query.lower()
        # A few letters become two in lower case; columns must stay.
        self._small = small if len(small) == len(query) else query

    def either(self, depth: int) -> Term:
        terms = [self.every(depth)]
        while self._keyword("OR"):
            terms.append(self.every(depth))
        return terms[0] if len(terms) == 1 else Either(tuple(terms))

    def every(self, depth: int) -> Term:
        terms = [self.term(depth)]
        while not self._ends(depth) and not self._sees("OR"):
            self._keyword("AND")
            terms.append(self.term(depth))
        return terms[0] if len(terms) == 1 else Every(tuple(terms))

    def term(self, depth: int) -> Term:
        self._skip()
        start = self.at
        if depth > _MOST_NESTED:
            raise QueryError.at(start, f"more than {_MOST_NESTED} terms within each other")
        if self._ends(depth) or self._sees("OR"):
            raise QueryError.at(
                start, "a word is expected, a field such as op:matmul, or a comparison such as time>1ms"
            )
        if self._keyword("NOT") or self._minus():
            return Without(self.term(depth + 1))
        if self.query[start] == "(":
            self.at += 1
            found = self.either(depth + 1)
            self._skip()
            if self.query[self.at : self.at + 1] != ")":
                raise QueryError.at(self.at, f"a ')' is missing for the '(' in column {start + 1}")
            self.at += 1
            return found
        return self._comparison() or self._word(depth)

    def _minus(self) -> bool:
        """A minus right before something; alone it is a word like any other."""
        found = self.query[self.at] == "-" and bool(self.query[self.at + 1 : self.at + 2].strip())
        self.at += found
        return found

    def _comparison(self) -> Comparison | None:
        match = _NUMBER.match(self._small, self.at)
        if match is None:
            return None
        name, relation, column = match["name"], match["relation"], self.at
        if name not in MEASURES:
            if relation == "=":
                return None  # `alpha=1` is an attribute
            raise QueryError.at(column, f"{name!r} is no number of an operation; there are: {', '.join(MEASURES)}")
        self.at = match.end()
        return Comparison(name, relation, self._literal(MEASURES[name].unit), column)

    def _literal(self, unit: Unit) -> float:
        match = _LITERAL.match(self._small, self.at)
        if match is None:
            raise QueryError.at(self.at, f"a number is expected, such as {_TOLD_UNITS[unit]}")
        self.at = match.end()
        start = self.at
        while self.at < len(self.query) and (self.query[self.at].isalpha()):
            self.at += 1
        written = self.query[start : self.at].lower()
        known = _UNITS[unit]
        if written not in known and (written or unit in (Unit.COUNT, Unit.NUMBER)):
            raise QueryError.at(start, f"{written!r} is no unit here; write {_TOLD_UNITS[unit]}")
        # Without a unit it is what the column holds: nanoseconds, bytes.
        return float(match[0]) * known.get(written, 1)

    def _word(self, depth: int) -> Word:
        match = _FIELD.match(self._small, self.at)
        field = match[1] if match is not None and match[1] in FIELDS else ""
        if match is not None and field:
            self.at = match.end()
        start = self.at
        if self.query.startswith('"', start):
            return Word(self._quoted(), field)
        shape = self.query.startswith("[", start)
        while self.at < len(self.query) and not self._stops(depth, shape=shape):
            self.at += 1
        if shape and self.query.startswith("]", self.at):
            self.at += 1
        text = self.query[start : self.at]
        if not text:
            raise QueryError.at(start, f"a text is expected after '{field}:', such as {FIELDS[field]}")
        return Word(text.casefold(), field, wild="*" in text or "?" in text)

    def _quoted(self) -> str:
        start, end = self.at, self.query.find('"', self.at + 1)
        if end < 0:
            raise QueryError.at(len(self.query), f"a '\"' is missing for that in column {start + 1}")
        self.at = end + 1
        if end == start + 1:
            raise QueryError.at(start, "there is nothing between these quotes")
        return self.query[start + 1 : end].casefold()

    def _stops(self, depth: int, *, shape: bool) -> bool:
        """Whether a word ends here; a shape that begins with `[` may hold spaces."""
        character = self.query[self.at]
        return character == "]" if shape else character.isspace() or (character == ")" and depth > 0)

    def _skip(self) -> None:
        while self.query[self.at : self.at + 1].isspace():
            self.at += 1

    def _ends(self, depth: int) -> bool:
        self._skip()
        return self.at >= len(self.query) or (self.query[self.at] == ")")

    def _sees(self, keyword: str) -> bool:
        """Whether a keyword stands here as a word of its own, in capitals."""
        self._skip()
        after = self.at + len(keyword)
        return self.query.startswith(keyword, self.at) and not self.query[after : after + 1].strip()

    def _keyword(self, keyword: str) -> bool:
        found = self._sees(keyword)
        self.at += len(keyword) if found else 0
        return found
