"""Globs over keys of nodes and names of values: which whole values a recording keeps. No framework is known here."""

from collections.abc import Sequence
from fnmatch import translate
from re import Pattern
from re import compile as compile_pattern


class Filter:
    """Globs over keys of nodes and names of values, from any part of theirs on; parts are set apart by `/` or `.`.

    `layers.*` chooses what ran within `layers`, `aten.addmm.*` what that operator gave, `*.weight` the weights.
    """

    def __init__(self, globs: Sequence[str]) -> None:
        self._exact = [_matcher(glob) for glob in globs]
        # Without what is not known while the pass runs: lines, ordinals, and how-many-th call of a module it is.
        self._roughly = [_matcher(f"{glob.partition('@')[0].partition(':')[0].partition('#')[0]}*") for glob in globs]

    def takes(self, *texts: str) -> bool:
        """Whether a node's key or a value's name passes."""
        return not self._exact or _any(self._exact, texts)

    def may_take(self, *texts: str) -> bool:
        """Whether a key or a name that begins so may pass."""
        return not self._roughly or _any(self._roughly, texts)


def _matcher(glob: str) -> Pattern[str]:
    return compile_pattern(rf"(?:^|\.){translate(glob.replace('/', '.'))}")


def _any(matchers: Sequence[Pattern[str]], texts: Sequence[str]) -> bool:
    return any(matcher.search(text.replace("/", ".")) for matcher in matchers for text in texts if text)
