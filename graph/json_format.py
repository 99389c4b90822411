"""Graphs as JSON for people and other programs: one line a row, nothing that only Graphreel can read.

The trace file has a format of its own; this one is for export.
"""

import json
from collections.abc import Iterator
from typing import Any

from graphreel.graph.errors import FormatError
from graphreel.graph.model import Graph
from graphreel.graph.rows import to_rows
from graphreel.graph.unrows import from_rows

FORMAT = "graphreel graph"
VERSION = 1


def to_json(graph: Graph) -> str:
    """The graph as a JSON text: `meta`, `sources`, `scopes`, `nodes`, `values`, `boundaries`, `controls`, `outputs`.

    Nodes, values and sources are numbered by their place in their list, scopes are named by path. What is empty or
    unknown is left out. `from_json` gives the same graph again.
    """
    text = "".join(_pieces({"format": FORMAT, "version": VERSION, **to_rows(graph)}, ascii_only=False))
    try:
        text.encode()
    except UnicodeEncodeError:
        # A name with half a character in it, which no file could hold.
        text = "".join(_pieces({"format": FORMAT, "version": VERSION, **to_rows(graph)}, ascii_only=True))
    return text


def _pieces(sections: dict[str, Any], ascii_only: bool) -> Iterator[str]:
    def line(plain: Any) -> str:
        return json.dumps(plain, ensure_ascii=ascii_only, allow_nan=False)

    yield "{"
    for number, (name, section) in enumerate(sections.items()):
        yield f"{',' if number else ''}\n {line(name)}: "
        if isinstance(section, list) and section and isinstance(section[0], dict):
            yield "[\n  "
            yield ",\n  ".join(map(line, section))
            yield "\n ]"
        else:
            yield line(section)
    yield "\n}\n"


def from_json(text: str) -> Graph:
    """The graph in a JSON text that `to_json` wrote, or that follows its form.

    Raises FormatError, which names the place that is wrong.
    """
    try:
        found = json.loads(text)
    except ValueError as error:
        raise FormatError.at("JSON", "", str(error)) from error
    except RecursionError as error:
        raise FormatError.at("JSON", "", "lists and objects nest too deep") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise FormatError.at("JSON", "", f'an object with "format": "{FORMAT}" is wanted')
    if found.get("version") != VERSION:
        raise FormatError.at(
            "JSON", "version", f"{found.get('version')!r} is not known; this Graphreel reads {VERSION}"
        )
    return from_rows(found, "JSON")
