"""Names of module scopes, and what the texts of PyTorch's stack traces and expressions say."""

import ast
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache

from graphreel.capture.torchfile.program import Line

_FRAME = re.compile(r'^\s*File "([^"\n]*)", line (\d{1,9}), in ([^\n]*)(?:\n(?!\s*File ")([^\n]*))?', re.MULTILINE)
_LIBRARY = re.compile(r"[/\\](?:site|dist)-packages[/\\]|^<")
NO_MODULE = "_empty_nn_module_stack"
"""How torch.export's entry begins where it knows of no module."""
LAST_LINE = 200_000
"""Lines beyond are not kept as text: no source file that people write is longer."""
DEEPEST = 40
"""Parts of a scope path beyond this depth are left out; no real model comes near."""


def scope_parts(above: str | None, path: str, type: str) -> list[str]:
    """Names of the scopes from the calling module's down to a called one's, as the recorder has them.

    `above` is the caller's dotted path, or None for an outermost call. `layers.0` called by the root gives `layers`
    and `0`.
    """
    if not path:
        return [type or "module"]
    prefix = f"{above}." if above else ""
    if not path.startswith(prefix) or path == prefix:
        # Shared by two branches and called from the other one: its whole path tells which it is.
        return [path]
    return [part or "module" for part in path[len(prefix) :].split(".")[-DEEPEST:]]


@lru_cache(maxsize=4096)
def stack_of(text: str) -> tuple[Line, ...]:
    """The lines that a stack trace names, outermost first, down to the innermost that is no library's."""
    lines = [
        Line(file, int(line), function.strip(), (code or "").strip())
        for file, line, function, code in _FRAME.findall(text)
    ]
    return own_lines(lines)


def own_lines(lines: Iterable[Line]) -> tuple[Line, ...]:
    """A stack down to the innermost line that is no library's; one of libraries only stays whole."""
    told = [line for line in lines if not line.file.startswith("<")]
    own = [at for at, line in enumerate(told) if not _LIBRARY.search(line.file)]
    return tuple(told[: own[-1] + 1] if own else told)


def texts_of(lines: Iterable[Line]) -> dict[str, str]:
    """Source files as far as the lines tell their text; every other line is left blank."""
    known: dict[str, dict[int, str]] = {}
    for line in lines:
        if line.text and 0 < line.line <= LAST_LINE:
            known.setdefault(line.file, {}).setdefault(line.line, line.text)
    return {file: sparse_text(told) for file, told in known.items()}


def sparse_text(told: Mapping[int, str]) -> str:
    """A text of which only some lines are known, by number from 1."""
    return "\n".join(told.get(number, "") for number in range(1, max(told) + 1)) + "\n"


@lru_cache(maxsize=4096)
def readable(expression: str) -> str:
    """A size's expression as people write it: `s77 + 1` for `Add(Symbol('s77', positive=True), Integer(1))`.

    The text is parsed, never evaluated; what is no such expression stays as it is.
    """
    try:
        tree = ast.parse(expression, mode="eval")
        return _readable(tree.body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return expression


def _readable(found: ast.expr) -> str:
    if not isinstance(found, ast.Call) or not isinstance(found.func, ast.Name):
        return ast.unparse(found)
    name, arguments = found.func.id, found.args
    if name in ("Symbol", "Integer", "Float") and arguments:
        return str(arguments[0].value) if isinstance(arguments[0], ast.Constant) else ast.unparse(arguments[0])
    inner = [_readable(argument) for argument in arguments]
    if name == "Add":
        # The constant last, as it is usually written.
        return " + ".join(sorted(inner, key=lambda text: text.lstrip("-").isdigit()))
    if name == "Mul":
        return "*".join(f"({text})" if " " in text else text for text in inner)
    return f"{name}({', '.join(inner)})"
