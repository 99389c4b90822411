"""Imports the modules that the user names, which register operators. No name that stands in a file gets here."""

import importlib
import importlib.util
import os
import sys
import traceback
from pathlib import Path

import torch

from graphreel.replay.errors import CannotReplay

_imported: dict[str, frozenset[str]] = {}
"""What each module registered: to import it once more registers nothing."""


def registered() -> frozenset[str]:
    """All operators that there are now, as the dispatcher calls them."""
    return frozenset(torch._C._dispatch_get_all_op_names())


def imported(name: str) -> frozenset[str]:
    """Import a module by its name or by the path of its file, and give the operators that it registered.

    A name is looked for in the current folder first. Raises CannotReplay.
    """
    path = Path(name).resolve() if _is_path(name) else None
    known = name if path is None else str(path)
    if known not in _imported:
        before = registered()
        try:
            if path is None:
                _allow_from(Path.cwd())
                importlib.import_module(name)
            else:
                _import_file(name, path)
        except CannotReplay:
            raise
        except (Exception, SystemExit) as error:
            raise CannotReplay.module(name, _reason(name, path, error)) from error
        _imported[known] = registered() - before
    return _imported[known]


def _is_path(name: str) -> bool:
    return name.endswith(".py") or "/" in name or os.sep in name


def _import_file(name: str, path: Path) -> None:
    if not path.exists():
        raise CannotReplay.module(name, "there is no such file; give a module's name or the path of a .py file")
    if not path.is_file() or path.suffix != ".py":
        raise CannotReplay.module(name, "not a .py file; give a module's name or the path of a .py file")
    # Others that it imports are looked for beside it, as when it is run.
    _allow_from(path.parent)
    called = path.stem if path.stem not in sys.modules else f"{path.stem} ({path})"
    spec = importlib.util.spec_from_file_location(called, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[called] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[called]
        raise


def _allow_from(folder: Path) -> None:
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))


def _reason(name: str, path: Path | None, error: BaseException) -> str:
    missing = error.name if isinstance(error, ModuleNotFoundError) and error.name else ""
    if path is None and missing and f"{name}.".startswith(f"{missing}."):
        return f"there is no module {missing!r} here or among the installed ones; give the path of its .py file"
    told = " ".join(f"{type(error).__name__}: {error}".split())
    lines = [
        frame.lineno for frame in traceback.extract_tb(error.__traceback__) if path and frame.filename == str(path)
    ]
    return f"{told} (line {lines[-1]})" if lines else told
