"""Runs a user's script as `python script.py` would, so that it can be watched without a change.

Nothing here imports a framework: the script may set environment variables that count before it imports one.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import InspectLoader, Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType, TracebackType
from typing import Any, Self

from graphreel.capture.errors import CaptureError

INTERRUPTED = 130


class CannotRun(CaptureError):
    """A script or module that cannot be run."""

    @classmethod
    def missing(cls, name: str) -> Self:
        """There is no such file."""
        return cls(f"{name}: there is no such script; give a path as in: graphreel record path/to/train.py")

    @classmethod
    def folder(cls, name: str) -> Self:
        """The folder cannot be run."""
        return cls(f"{name}: this is a folder without a __main__.py; give the script in it")

    @classmethod
    def unreadable(cls, name: str, error: OSError | UnicodeDecodeError) -> Self:
        """The file cannot be read as text."""
        reason = error.strerror if isinstance(error, OSError) else "it is not text"
        return cls(f"{name}: cannot be read: {reason}; give a Python script")

    @classmethod
    def no_module(cls, name: str) -> Self:
        """There is no module of that name."""
        return cls(f"-m {name}: there is no such module here; run in the folder that holds the package")

    @classmethod
    def no_code(cls, name: str) -> Self:
        """The module is not written in Python."""
        return cls(f"-m {name}: this module has no Python code to run, or is a package without a __main__")

    @classmethod
    def nothing(cls) -> Self:
        """No script was named."""
        return cls("no script was named; give one as in: graphreel record train.py")


@dataclass(frozen=True, slots=True)
class Script:
    """A script that is there. `code` gives its code, compiled when it is run, so that its syntax errors are its own."""

    file: str
    argv: tuple[str, ...]
    folder: str
    package: str | None
    spec: ModuleSpec | None
    loader: Any
    code: Callable[[], CodeType]


def find_script(argv: Sequence[str], *, module: bool = False) -> Script:
    """The script that `python ARGV…`, or `python -m ARGV…` for a module, would run; raises CannotRun."""
    if not argv:
        raise CannotRun.nothing()
    return _find_module(argv) if module else _find_file(argv)


def _find_file(argv: Sequence[str]) -> Script:
    path = Path(argv[0])
    folder = str(path.resolve().parent)
    if path.is_dir():
        folder, path = str(path.resolve()), path / "__main__.py"
        if not path.exists():
            raise CannotRun.folder(argv[0])
    if not path.exists():
        raise CannotRun.missing(argv[0])
    file = str(path.absolute())
    try:
        source = path.read_bytes()
    except OSError as error:
        raise CannotRun.unreadable(argv[0], error) from error
    loader = SourceFileLoader("__main__", file)
    # Only a folder counts as a package's kin, and has a spec.
    spec = importlib.util.spec_from_file_location("__main__", file) if Path(argv[0]).is_dir() else None
    package = None if spec is None else ""
    return Script(file, tuple(argv), folder, package, spec, loader, lambda: loader.source_to_code(source, file))


def _find_module(argv: Sequence[str]) -> Script:
    name, folder = argv[0], str(Path.cwd())
    # As `python -m` has it: the current folder stands first, for finding the module as well as for running it.
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.find_spec(name)
        if spec is not None and spec.submodule_search_locations is not None:
            name = f"{name}.__main__"
            spec = importlib.util.find_spec(name)
            if spec is None:
                raise CannotRun.no_code(argv[0])
    except ModuleNotFoundError as error:
        if not error.name or not name.startswith(error.name):
            raise
        spec = None
    finally:
        sys.path.remove(folder)
    if spec is None:
        raise CannotRun.no_module(argv[0])
    if not isinstance(spec.loader, InspectLoader) or spec.origin is None:
        raise CannotRun.no_code(argv[0])
    loader: InspectLoader = spec.loader
    file = spec.origin

    def code() -> CodeType:
        found = loader.get_code(name)
        if found is None:
            raise CannotRun.no_code(argv[0])
        return found

    return Script(file, (file, *argv[1:]), folder, spec.parent, spec, loader, code)


def run_script(
    argv: Sequence[str], module: bool = False, ended: Callable[[BaseException | None], None] = lambda error: None
) -> int:
    """Run a script as `__main__`, and give its exit code. Its exceptions are printed as Python would print them.

    `ended` is told of the exception that ended the script, or None, before anything is printed. Raises CannotRun.
    """
    script = find_script(argv, module=module)
    error: BaseException | None = None
    try:
        _run(script)
    except BaseException as raised:  # noqa: BLE001 - whatever it is, it is the script's
        error = raised
    ended(error)
    return _exit_code(error)


def _run(script: Script) -> None:
    main = ModuleType("__main__")
    main.__dict__.update(
        __file__=script.file,
        __loader__=script.loader,
        __package__=script.package,
        __spec__=script.spec,
        __annotations__={},
        __builtins__=sys.modules["builtins"],
    )
    # For good, not only while it runs: what it leaves to `atexit` or to other threads still finds its own names.
    sys.modules["__main__"] = main
    sys.argv[:] = script.argv
    # Python puts the script's folder first; it put ours there.
    sys.path[0] = script.folder
    exec(script.code(), main.__dict__)  # noqa: S102 - running the user's script is what was asked for


def _exit_code(error: BaseException | None) -> int:
    if error is None:
        return 0
    if isinstance(error, SystemExit):
        return _exit_code_of(error)
    trace = without_runner(error.__traceback__)
    error.__traceback__ = trace
    sys.excepthook(type(error), error, trace)
    return INTERRUPTED if isinstance(error, KeyboardInterrupt) else 1


def _exit_code_of(error: SystemExit) -> int:
    """What Python makes of `sys.exit(…)`: None is 0, a number itself, and anything else is printed and 1."""
    if error.code is None:
        return 0
    if isinstance(error.code, int):
        return error.code & 0xFF
    print(error.code, file=sys.stderr)
    return 1


def without_runner(trace: TracebackType | None) -> TracebackType | None:
    """A traceback from the script's own first line on."""
    while trace is not None and trace.tb_frame.f_code.co_filename == __file__:
        trace = trace.tb_next
    # A syntax error has no frame of the script's own, only those of Python's compiler.
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith("<frozen importlib"):
        trace = trace.tb_next
    return trace


@contextmanager
def when_imported(name: str, then: Callable[[], None]) -> Iterator[None]:
    """Call `then` right after the program imported a module, or at once if it has."""
    if name in sys.modules:
        then()
        yield
        return
    watcher = _ImportWatcher(name, then)
    sys.meta_path.insert(0, watcher)
    try:
        yield
    finally:
        watcher.leave()


class _ImportWatcher(MetaPathFinder):
    """Finds one module, once, and hears when it has been loaded."""

    def __init__(self, name: str, then: Callable[[], None]) -> None:
        self._name, self._then = name, then

    def leave(self) -> None:
        """Watch no longer."""
        if self in sys.meta_path:
            sys.meta_path.remove(self)

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        self.leave()
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _LoadWatcher(spec.loader, self._then)
        return spec


class _LoadWatcher(Loader):
    """Loads with another loader, and tells when that is done. The module does not show it."""

    def __init__(self, loader: Loader, then: Callable[[], None]) -> None:
        self._loader, self._then = loader, then

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._loader.exec_module(module)
        self._then()
