"""Whether PyTorch can load a TorchScript file without running any operation that the file names.

Nothing here needs PyTorch. Tried with PyTorch 2.13: `torch.jit.load` evaluates the constants that classes of the file
have (`k : Final[int] = torch.numel(torch.from_file(...))` made a file), and runs `__setstate__`. Everything but plain
literals is refused there; the check is of the very bytes that are handed to PyTorch.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from graphreel.capture.errors import BrokenFile
from graphreel.capture.torchfile.archive import AGAIN
from graphreel.capture.torchfile.errors import RunsCode

DEEPEST_BRACKETS = 200
"""PyTorch parses brackets by recursion; exporters write a few."""
_TYPE = r"[\w.\[\], ()-]*"
_STRING = r'"(?:[^"\\\n]|\\.)*"'
_CLASS_LINES = re.compile(
    rf"""(?:
      (?:class|def)\ .*                                            # a method's first line; its code comes deeper
    | __\w+__\ =\ \[(?:{_STRING}|[\w.]|,|\ )*\]                    # __parameters__ = ["weight", ]
    | __annotations__\[{_STRING}\]\ =\ {_TYPE}
    | \w+\ :\ {_TYPE}(?:\ =\ (?:{_STRING}|[-+\w.,\ \[\]()])*)?     # k : Final[int] = 3
    | \w+\ =\ (?:{_STRING}|[-+\w.,\ ])*                            # a member of an enumeration
    | \#.*
    )""",
    re.VERBOSE,
)
_BRACKET = re.compile(r"[][(){}]")
_CALL = re.compile(r"[\w\])]\s*\(")
_TOP_LINES = re.compile(r"(?:class|def|import|from) .*|#.*|op_version_set = \d+")
_UNUSUAL = re.compile(r"\"\"\"|'''|\\$|[^\S\n ]|[\x00-\x08\x0e-\x1f]", re.MULTILINE)


def check_code(path: Path, code: Mapping[str, bytes], pickles: Mapping[str, bytes]) -> None:
    """Raise RunsCode or BrokenFile unless the code of an archive, by entry, and its pickles are harmless to load."""
    for name, content in pickles.items():
        if b"torch.classes" in content:
            raise RunsCode.while_loading(path, name, "holds packed objects (torch.classes, as of a quantized model)")
    for name, content in code.items():
        text = content.decode("utf-8", "replace")
        if "__setstate__" in text:
            raise RunsCode.while_loading(path, name, "has a __setstate__ of its own (as quantized modules have)")
        if (found := _UNUSUAL.search(text)) is not None:
            line = text.count("\n", 0, found.start()) + 1
            reason = f"{name} line {line} is not written as PyTorch writes TorchScript"
            raise BrokenFile.of_kind(path, "TorchScript file", reason, AGAIN)
        _check_lines(path, name, text)


def _check_lines(path: Path, name: str, text: str) -> None:
    in_class = in_method = False
    depth = 0
    for number, line in enumerate(text.split("\n"), 1):
        depth = _brackets(path, name, depth, line)
        body = line.lstrip(" ")
        if not body:
            continue
        indent = len(line) - len(body)
        if indent == 0:
            in_class, in_method = body.startswith("class "), False
            if in_class or _TOP_LINES.fullmatch(body):
                continue
        elif not in_class or (in_method and indent > 2):
            continue
        elif indent == 2 and _CLASS_LINES.fullmatch(body) and not body.startswith("class "):
            in_method = body.startswith("def ")
            value = body.partition(" = ")[2]
            if in_method or body.startswith("#") or not _CALL.search(re.sub(_STRING, "", value)):
                continue
        raise RunsCode.while_loading(path, f"{name} line {number}", "has code outside of functions")


def _brackets(path: Path, name: str, depth: int, line: str) -> int:
    for bracket in _BRACKET.findall(line):
        depth += 1 if bracket in "([{" else -1
        if abs(depth) > DEEPEST_BRACKETS:
            raise BrokenFile.of_kind(path, "TorchScript file", f"{name} nests its brackets too deeply", AGAIN)
    return depth
