"""The lines that TorchScript's nodes come from."""

import re
from typing import Any

from graphreel.capture.torchfile.naming import LAST_LINE, own_lines
from graphreel.capture.torchfile.program import Line
from graphreel.capture.torchfile.script_frames import Frame
from graphreel.graph import GraphBuilder

_SCRIPTED = re.compile(r'^(?:Serialized )?\s*File "([^"\n]*)", line (\d{1,9})\n')
_TRACED = re.compile(r"^(.*)\((\d{1,9})\): (.*)$", re.MULTILINE)
_NEXT = re.compile(r'^(?:Serialized )?\s*File "', re.MULTILINE)
_MARK = re.compile(r"^[ ~]*~[ ~]*(?:<--- HERE)?$")


class Sources:
    """Source rows of nodes.

    Attributes:
        texts: Lines of source files by number, as far as nodes tell them.
    """

    def __init__(self, builder: GraphBuilder) -> None:
        self.builder = builder
        self.texts: dict[str, dict[int, str]] = {}
        self._known: dict[tuple[str, int, str], int] = {}

    def of(self, frame: Frame, node: Any) -> int:
        """The row of a node's line, called from where its frame was called; the caller's where it tells none."""
        try:
            text = node.sourceRange()
        except (RuntimeError, UnicodeDecodeError, MemoryError):
            # The table of lines in the file is damaged, which the graph does without.
            text = ""
        key = text, frame.caller, frame.function
        if key not in self._known:
            self._known[key] = self._read(text, frame)
        return self._known[key]

    def _read(self, text: str, frame: Frame) -> int:
        scripted = _SCRIPTED.match(text)
        if scripted is not None:
            return self._scripted(scripted[1], int(scripted[2]), text[scripted.end() :], frame)
        # A traced module tells the whole stack, innermost first.
        lines = [Line(file, int(line), function) for file, line, function in reversed(_TRACED.findall(text))]
        source = frame.caller if not lines else -1
        for line in own_lines(lines):
            source = self.builder.source(line.file, line.line, line.function, source)
        return source

    def _scripted(self, file: str, line: int, body: str, frame: Frame) -> int:
        # A loaded module tells after the original line where it stands in the file's own code.
        shown = _NEXT.split(body, maxsplit=1)[0].split("\n")
        marks = [at for at, text in enumerate(shown) if _MARK.match(text)]
        if marks and 0 < line <= LAST_LINE:
            told = [text for text in shown if not _MARK.match(text)]
            first = line - (marks[0] - 1)
            known = self.texts.setdefault(file, {})
            for at, text in enumerate(told):
                if 0 < first + at <= LAST_LINE and text:
                    known.setdefault(first + at, text)
        return self.builder.source(file, line, frame.function, frame.caller)
