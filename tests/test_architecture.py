"""Who may import whom (DESIGN: the house). The table is the rule; a debt would stand below its line with the reason."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

MAY_IMPORT: dict[str, set[str]] = {
    "graph": set(),
    "assets": set(),
    "examples": set(),
    "tracefile": {"graph"},
    "layout": {"graph"},
    "capture": {"graph", "tracefile"},
    "replay": {"graph", "tracefile", "capture"},
    "analysis": {"graph", "tracefile"},
    "render": {"graph", "layout", "analysis", "assets"},
    "gui": {"graph", "tracefile", "capture", "replay", "analysis", "layout", "render", "assets"},
    "app": {"graph", "tracefile", "capture", "replay", "analysis", "layout", "render", "gui", "assets", "examples"},
}

FRAMEWORKS: dict[str, set[str]] = {
    # Only these folders may import the library at module level; anywhere else it stays inside a function.
    "torch": {"capture/torch", "replay/torch", "examples"},
    "PySide6": {"gui"},
    "pyqtgraph": {"gui"},
    "onnx": set(),
    "networkx": set(),
    "tensorflow": set(),
    "sklearn": set(),
}

NEVER = {"tests", "tools", "bench"}


def modules() -> list[Path]:
    return sorted(path for folder in MAY_IMPORT for path in (ROOT / folder).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[int, str, bool]]:
    """Line, dotted name and whether it stands at module level, for every import in a file."""
    tree = ast.parse(path.read_text())
    inside = {id(child) for outer in ast.walk(tree) if _is_function(outer) for child in ast.walk(outer)}
    inside |= {id(child) for outer in ast.walk(tree) if _is_type_checking(outer) for child in ast.walk(outer)}
    for found in ast.walk(tree):
        if isinstance(found, ast.Import):
            yield from ((found.lineno, alias.name, id(found) not in inside) for alias in found.names)
        elif isinstance(found, ast.ImportFrom):
            assert found.level == 0, f"{path}:{found.lineno}: imports are absolute"
            yield found.lineno, found.module or "", id(found) not in inside
            yield from (
                (found.lineno, f"{found.module}.{alias.name}", id(found) not in inside) for alias in found.names
            )


def _is_function(found: ast.AST) -> bool:
    return isinstance(found, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)


def _is_type_checking(found: ast.AST) -> bool:
    return isinstance(found, ast.If) and isinstance(found.test, ast.Name) and found.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_imports_only_what_its_folder_may(path: Path) -> None:
    folder = path.relative_to(ROOT).parts[0]
    known = MAY_IMPORT.keys() | NEVER
    for line, name, _ in imports(path):
        first, _, rest = name.partition(".")
        assert first not in known, f"{path}:{line}: {name} would be a second copy; import graphreel.{name}"
        if first != "graphreel":
            continue
        room = rest.partition(".")[0]
        target = room if room in known else "app"
        assert target == folder or target in MAY_IMPORT[folder], f"{path}:{line}: {folder} may not import {target}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT)))
def test_heavy_libraries_are_imported_only_where_they_live(path: Path) -> None:
    place = path.relative_to(ROOT).as_posix()
    for line, name, at_module_level in imports(path):
        allowed = FRAMEWORKS.get(name.partition(".")[0])
        if allowed is None or not at_module_level:
            continue
        assert any(place.startswith(f"{folder}/") for folder in allowed), f"{path}:{line}: {name} at module level"


def test_only_gui_knows_qt() -> None:
    for path in modules():
        if path.relative_to(ROOT).parts[0] != "gui":
            for line, name, _ in imports(path):
                assert name.partition(".")[0] not in {"PySide6", "pyqtgraph"}, f"{path}:{line}: {name} outside gui"


def test_the_table_covers_every_folder_of_code() -> None:
    folders = {path.parent.relative_to(ROOT).parts[0] for path in ROOT.glob("*/*.py")}
    assert folders - {"tests", "tools", "bench", "build"} == set(MAY_IMPORT)


def test_no_folder_takes_the_name_of_a_standard_library_module() -> None:
    import sys

    assert not set(MAY_IMPORT) & sys.stdlib_module_names


LONG: dict[str, int] = {
    "graph/model.py": 460,  # the graph and its views belong on one page
    "graph/builder.py": 400,  # one append method per table
    "capture/torch/passes.py": 310,  # every way in which a pass begins and ends
}


def test_modules_can_be_read_in_a_sitting() -> None:
    lines = {path.relative_to(ROOT).as_posix(): len(path.read_text().splitlines()) for path in modules()}
    long = {place: count for place, count in lines.items() if count > LONG.get(place, 300)}
    assert not long, f"over 300 lines without a reason in LONG: {long}"
