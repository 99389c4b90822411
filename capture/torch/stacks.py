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
from typing import TypeAlias

from graphreel.capture.torch import generated
from graphreel.capture.torch.spared import let_through

Line = tuple[str, int, str]
"""File, line and function."""

NO_STACK = 0

Chain: TypeAlias = tuple[int, tuple[tuple[CodeType, int], ...]]
"""A way from a frame outwards: the number of the stack that it ends on, and each function with where it stands in it,
which for those that are not the user's own is -1 and of no interest."""
UNSEEN: Chain = (NO_STACK, ((compile("0", "", "eval"), 0),))
"""A way that no frame goes."""


class Stacks:
    """Numbers the stacks of the user's lines. Number 0 is the empty stack.

    Attributes:
        lines: The lines of each stack by its number, outermost first. It only grows, so the writer may read it.
    """

    def __init__(self) -> None:
        self.lines: list[tuple[Line, ...]] = [()]
        # By the user's functions and where each of them stands.
        self._numbers: dict[tuple[int, ...], int] = {}
        # The same by all functions on the way.
        self._ways: dict[tuple[int, ...], tuple[int, Chain]] = {}
        self._users: dict[int, bool] = {}
        # Held so that the id of a code object, which is what `_users` goes by, is never given to another.
        self._codes: list[CodeType] = []
        self._files: set[str] = set()
        self._new_files: list[str] = []
        self._own, self._foreign = _own_folders(), _foreign_folders()

    def number(self, frame: FrameType | None, until: FrameType | None = None, outer: int = NO_STACK) -> int:
        """The number of the stack from `frame` outwards, up to but without `until`, which stands on stack `outer`."""
        return self.way(frame, until, outer)[0]

    def way(self, frame: FrameType | None, until: FrameType | None = None, outer: int = NO_STACK) -> tuple[int, Chain]:
        """The number of a stack as `number` gives it, and what to compare to know that it is the same again."""
        users = self._users
        key = [outer]
        found: FrameType | None = frame
        while found is not None and found is not until:
            code = found.f_code
            key.append(at := id(code))
            if users[at] if at in users else self._judge(code):
                key.append(found.f_lasti)
            found = found.f_back
        if found is not until:
            key[0] = NO_STACK
        way = self._ways.get(tuple(key))
        return self._add(key, frame, until, is_whole=found is until) if way is None else way

    def _add(
        self, key: list[int], frame: FrameType | None, until: FrameType | None, *, is_whole: bool
    ) -> tuple[int, Chain]:
        """Number a stack whose way is new; the way may lead through other functions of a library than known ones."""
        inner: list[Line] = []
        chain: list[tuple[CodeType, int]] = []
        while frame is not None and frame is not until:
            code = frame.f_code
            users = self._users[id(code)]
            chain.append((code, frame.f_lasti if users else -1))
            if users:
                file = _file_of(code)
                is_generated = file.startswith(generated.MARK)
                lines = generated.lines_of(frame) if is_generated else [(file, frame.f_lineno, code.co_qualname)]
                for line in lines:
                    if line[0] not in self._files:
                        self._files.add(line[0])
                        self._new_files.append(line[0])
                inner += reversed(lines)
            frame = frame.f_back
        outer = key[0]
        at = (outer, *(part for code, place in chain if place >= 0 for part in (id(code), place)))
        number = outer if len(at) == 1 else self._numbers.get(at)
        if number is None:
            number = self._numbers[at] = len(self.lines)
            self.lines.append((*self.lines[outer], *reversed(inner)))
        way = self._ways[tuple(key)] = number, (outer, tuple(chain)) if is_whole else UNSEEN
        return way

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
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        let_through(error)
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
