"""TorchScript files: loaded by PyTorch from a copy of the archive that holds the code, but no weights."""

import io
import warnings
import zipfile
from typing import Any

from graphreel.capture.errors import BrokenFile
from graphreel.capture.torchfile.archive import AGAIN, LARGEST_ENTRY, Archive
from graphreel.capture.torchfile.script_safety import check_code
from graphreel.graph import Graph, GraphError, MissingExtra, Progress

_KIND = "TorchScript file"
_MALFORMED = (RuntimeError, ValueError, TypeError, AttributeError, IndexError, OverflowError, GraphError)
_CONSTANTS = "constants/"
_LEFT_OUT = ("data/", "traced_inputs", "extra/")


def read_script(archive: Archive, progress: Progress) -> tuple[Graph, dict[str, str]]:
    """The graph of a TorchScript file, and the texts of the source files that it tells.

    Raises RunsCode where loading would run operations of the file's, BrokenFile, and MissingExtra without PyTorch.
    """
    try:
        import torch  # noqa: F401 - asked for before the file is read
    except ImportError as error:
        raise MissingExtra.named("PyTorch", "torch") from error
    from graphreel.capture.torchfile.script import read_module

    parts = _parts(archive)
    code = {name: content for name, content in parts.items() if name.endswith(".py")}
    check_code(archive.path, code, {name: content for name, content in parts.items() if name.endswith(".pkl")})
    module = _load(archive, parts)
    try:
        graph, texts = read_module(module, progress, {"framework": "torchscript"})
    except _MALFORMED as error:
        raise _broken(archive, error) from error
    texts.update((name, content.decode("utf-8", "replace")) for name, content in code.items())
    return graph, texts


def _parts(archive: Archive) -> dict[str, bytes]:
    """What PyTorch needs of the archive to know the code; of weights the names only."""
    kept = [name for name in dict.fromkeys(archive.names) if not name.startswith((*_LEFT_OUT, _CONSTANTS))]
    if sum(archive.size(name) for name in kept) > LARGEST_ENTRY:
        reason = f"its code has more than {LARGEST_ENTRY:,} bytes unpacked"
        raise BrokenFile.of_kind(archive.path, _KIND, reason)
    parts = {name: archive.read(name) for name in kept}
    parts.update((name, b"") for name in archive.names if name.startswith("data/"))
    return parts


def _load(archive: Archive, parts: dict[str, bytes]) -> Any:
    """The module, with weights that have shapes but no content; constants of a frozen model are loaded."""
    constants = [name for name in archive.names if name.startswith(_CONSTANTS)]
    try:
        return _loaded({**parts, **dict.fromkeys(constants, b"")}, "meta")
    except _MALFORMED as error:
        # Constants that the code repeats are compared while loading, which only real tensors can be.
        if not constants or "Meta tensors" not in str(error):
            raise _broken(archive, error) from error
    try:
        weights = [name for name in archive.names if name.startswith((_CONSTANTS, "data/"))]
        return _loaded({**parts, **{name: archive.read(name) for name in weights}}, "cpu")
    except _MALFORMED as error:
        raise _broken(archive, error) from error


def _loaded(parts: dict[str, bytes], device: str) -> Any:
    import torch

    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w") as target:
        for name, content in parts.items():
            target.writestr(f"archive/{name}", content)
    copy.seek(0)
    # torch.jit is deprecated, which the user of a file can do nothing about.
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):
        load: Any = torch.jit.load
        return load(copy, map_location=device)


def _broken(archive: Archive, error: Exception) -> BrokenFile:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    reason = f"PyTorch says {lines[0][:200]!r}" if lines else "PyTorch cannot load it"
    return BrokenFile.of_kind(archive.path, _KIND, reason, AGAIN)
