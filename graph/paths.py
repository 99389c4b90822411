"""The paths of scopes, from their columns."""

from collections.abc import Sequence

from graphreel.graph.columns import ScopeColumns
from graphreel.graph.types import ScopeKind


def scope_paths(scopes: ScopeColumns, strings: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Two paths of each scope: its own, and the innermost one that the source tells, both without what was detected.

    A detected scope has itself and the detected scopes around it in its own path. Parents stand before children.
    """
    own, told = [""] * len(scopes.parent), [""] * len(scopes.parent)
    columns = scopes.parent.tolist(), scopes.name.tolist(), (scopes.kind == ScopeKind.DETECTED).tolist()
    for scope, (parent, name, detected) in enumerate(zip(*columns, strict=True)):
        if scope:
            above = own[parent] if detected else told[parent]
            own[scope] = f"{above}/{strings[name]}" if above else strings[name]
            told[scope] = told[parent] if detected else own[scope]
    return tuple(own), tuple(told)
