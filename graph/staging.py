"""Rows of a graph that is being built, on their way into columns."""

import json
import struct
from array import array
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from graphreel.graph.columns import AttributeColumns
from graphreel.graph.types import IntColumn

FRESH = 4096
"""Numbers that wait as Python integers: packed at once they cost a third of what each would by itself."""


class StringTable(dict[str, int]):
    """Each distinct string once, numbered in order of first use; string 0 is the empty one.

    `table[text]`, and `table(text)` too, is the number of a string, given now if it is new.
    """

    def __init__(self) -> None:
        super().__init__({"": 0})

    def __missing__(self, text: str) -> int:
        number = self[text] = len(self)
        return number

    def __call__(self, text: str) -> int:
        """The number of a string, as by `[]`."""
        return self[text]


class StagedRows:
    """Rows of so many integers each, in one compact array.

    Attributes:
        fresh: The numbers of the newest rows. Whoever appends extends it by whole rows, and calls `pack` at FRESH.
    """

    def __init__(self, width: int) -> None:
        self.width = width
        self.fresh: list[int] = []
        self._packed = array("i")

    def __len__(self) -> int:
        return (len(self._packed) + len(self.fresh)) // self.width

    def pack(self) -> None:
        """Move the fresh rows into the array."""
        self._packed.frombytes(struct.pack(f"{len(self.fresh)}i", *self.fresh))
        # The list stays the same one, since whoever appends may hold it.
        self.fresh.clear()

    def set(self, row: int, column: int, number: int) -> None:
        """Change one number of a row that stands."""
        place = row * self.width + column
        packed = len(self._packed)
        if place < packed:
            self._packed[place] = number
        else:
            self.fresh[place - packed] = number

    def columns(self) -> list[IntColumn]:
        """The rows as columns, each with memory of its own."""
        self.pack()
        rows = np.frombuffer(self._packed, dtype=np.int32) if self._packed else np.zeros(0, np.int32)
        return [column.copy() for column in rows.reshape(-1, self.width).T]


@dataclass(frozen=True, slots=True)
class AttributeText:
    """An attribute that is JSON already, so that one which many owners have alike need not be written again."""

    text: str


class StagedAttributes:
    """Attribute rows, in the order they were given."""

    def __init__(self, strings: StringTable) -> None:
        self._strings = strings
        self._rows = StagedRows(3)
        self._scalars: dict[tuple[type, int | str], int] = {}

    def add(self, owner: int, attributes: Mapping[str, Any]) -> None:
        """Give an owner further attributes."""
        strings, fresh = self._strings, self._rows.fresh
        for key, attribute in attributes.items():
            kind = type(attribute)
            if kind is AttributeText:
                text = strings[attribute.text]
            elif kind is int or kind is str or kind is bool:
                # By type as well, since 1 and True are one key to a dict but not one text; so are 0.0 and -0.0.
                known = self._scalars.get((kind, attribute))
                if known is None:
                    known = self._scalars[kind, attribute] = strings[attribute_text(attribute)]
                text = known
            else:
                text = strings[attribute_text(attribute)]
            fresh.extend((owner, strings[key], text))
        if len(fresh) > FRESH:
            self._rows.pack()

    def columns(self, owners: int) -> AttributeColumns:
        """The attributes grouped by owner."""
        owner, key, text = self._rows.columns()
        order = np.argsort(owner, kind="stable")
        start = np.searchsorted(owner[order], np.arange(owners + 1)).astype(np.int32)
        return AttributeColumns(start, key[order], text[order])


def attribute_text(attribute: Any) -> str:
    """An attribute as it stands among the strings of a graph."""
    # Not a number and the infinities are written as Python's json does, NaN and Infinity: attributes hold them.
    return json.dumps(attribute, ensure_ascii=False, separators=(", ", ": "))
