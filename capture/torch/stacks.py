"""Which lines of the user's own program led to an operation.

A stack is numbered by its frames and where each of them stands, so that one seen before costs one look-up.
"""

import linecache
import site
import sys
import sysconfig
import tokenize
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FrameType

from graphreel.capture.torch import generated

Line = tuple[str, int, str]
"""File, line and function."""

NO_STACK = 0


class Stacks:
    """Numbers the stacks of the user's lines. Number 0 is the empty stack.

    Attributes:
        lines: The lines of each stack by its number, outermost first. It only grows, so the writer may read it.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[Line, ...]] = [()]
        self._numbers: dict[tuple[int, ...], int] = {(): NO_STACK}
        self._users: dict[int, bool] = {}
        # Held so that the id of a code object, which is what `_users` goes by, is never given to another.
        self._codes: list[CodeType] = []
        self._files: set[str] = set()
        self._new_files: list[str] = []
        self._own, self._foreign = _own_folders(), _foreign_folders()

    def number(self, frame: FrameType | None, until: FrameType | None = None, outer: int = NO_STACK) -> int:
        """The number of the stack from `frame` outwards, up to but without `until`, which stands on stack `outer`."""
        users = self._users
        key = [outer]
        found: FrameType | None = frame
        while found is not None and found is not until:
            code = found.f_code
            is_users = users.get(id(code))
            if is_users is None:
                is_users = self._judge(code)
            if is_users:
                key.append(id(code))
                key.append(found.f_lasti)
            found = found.f_back
        if found is None:
            key[0] = NO_STACK
        if len(key) == 1:
            return key[0]
        at = tuple(key)
        number = self._numbers.get(at)
        return self._add(at, frame, until) if number is None else number

    def _add(self, key: tuple[int, ...], frame: FrameType | None, until: FrameType | None) -> int:
        inner: list[Line] = []
        while frame is not None and frame is not until:
            code = frame.f_code
            if self._users[id(code)]:
                file = _file_of(code)
                is_generated = file.startswith(generated.MARK)
                lines = generated.lines_of(frame) if is_generated else [(file, frame.f_lineno, code.co_qualname)]
                for at, _, _ in lines:
                    if at not in self._files:
                        self._files.add(at)
                        self._new_files.append(at)
                inner += reversed(lines)
            frame = frame.f_back
        number = len(self.lines)
        self.lines.append((*self.lines[key[0]], *reversed(inner)))
        self._numbers[key] = number
        return number

    def _judge(self, code: CodeType) -> bool:
        """Whether a function is the user's own: neither a library's nor ours."""
        file = code.co_filename
        if file.startswith("<"):
            # Generated code has no lines to show, but may know whose they are; a notebook's cell has.
            users = file.startswith(generated.MARK) or bool(linecache.getlines(file))
        else:
            path = _file_of(code)
            users = path.startswith(self._own) or not path.startswith(self._foreign) or path == _main_file()
            users = users and not generated.is_inductors(path)
        self._codes.append(code)
        self._users[id(code)] = users
        return users

    def is_users(self, code: CodeType) -> bool:
        """Whether a function is the user's own."""
        known = self._users.get(id(code))
        return self._judge(code) if known is None else known

    def take_new_files(self) -> list[str]:
        """The files that stacks point at and that were not taken before."""
        files, self._new_files = self._new_files, []
        return files


def source_text(file: str) -> str | None:
    """The text of a source file as it is now; None where there is none."""
    if file.startswith("<"):
        return "".join(linecache.getlines(file)) or None
    try:
        with tokenize.open(file) as source:
            return source.read()
    except (OSError, SyntaxError, UnicodeDecodeError):
        return None


def _file_of(code: CodeType) -> str:
    file = code.co_filename
    return file if file.startswith("<") else str(Path(file).absolute())


def _main_file() -> str | None:
    """The program itself is the user's, even one that is installed (`python -m package.train`); no command is."""
    file = getattr(sys.modules.get("__main__"), "__file__", None)
    path = str(Path(file).absolute()) if file else None
    return None if path and path.startswith(f"{sysconfig.get_path('scripts')}/") else path


def _own_folders() -> tuple[str, ...]:
    """Folders that are the user's wherever they lie: our examples stand in for a user's program."""
    spec = find_spec("graphreel.examples")
    folders = (spec.submodule_search_locations if spec else None) or []
    return tuple(f"{Path(folder).absolute()}/" for folder in folders)


def _foreign_folders() -> tuple[str, ...]:
    """Folders whose code is not the user's: the standard library, installed packages, and the recorder itself."""
    paths = sysconfig.get_paths()
    folders = {Path(paths[name]) for name in ("stdlib", "platstdlib", "purelib", "platlib", "scripts")}
    folders |= {Path(folder) for folder in (*site.getsitepackages(), site.getusersitepackages())}
    # By name, not by import: capture must not import the packages above it.
    for name in ("graphreel", "graphreel.capture", "graphreel.tracefile", "graphreel.graph"):
        spec = find_spec(name)
        folders |= {Path(folder) for folder in (spec.submodule_search_locations if spec else None) or []}
    return tuple(sorted(f"{folder.absolute()}/" for folder in folders))
