"""PyTorch's own files as a source of the registry: TorchScript, torch.export, and what torch.save pickled."""

from collections.abc import Mapping
from pathlib import Path

from graphreel.capture.errors import BrokenFile
from graphreel.capture.torchfile.archive import AGAIN, Archive, Content
from graphreel.capture.torchfile.building import build_graph
from graphreel.capture.torchfile.errors import PickledFile
from graphreel.capture.torchfile.naming import texts_of
from graphreel.capture.torchfile.program import Listing, Program
from graphreel.capture.torchfile.pt2 import program_of
from graphreel.graph import Graph, GraphError, Progress
from graphreel.tracefile import SingleGraphTrace, Trace, TraceInfo

_ZIP = b"PK\x03\x04"
_EMPTY_ZIP = b"PK\x05\x06"
_OLD_SAVE = b"\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"
_VERSIONS = ("torch", "schema", "opsets")
_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, IndexError, OverflowError, GraphError)


class TorchFileSource:
    """TorchScript files and exported programs. Pickles are told from them, and never opened."""

    kind = "a TorchScript (.pt) or torch.export (.pt2) file"
    suffixes = (".pt2",)

    def accepts(self, head: bytes, name: str) -> bool:
        """By the first bytes of a ZIP archive, or of a pickle as torch.save once wrote it."""
        return head.startswith((_ZIP, _EMPTY_ZIP, _OLD_SAVE)) or _is_pickle(head)

    def read(self, path: Path, progress: Progress) -> Trace:
        """The graph as a trace of one iteration.

        Raises BrokenFile, PickledFile, RunsCode, or MissingExtra for TorchScript where PyTorch is not installed;
        ForeignArchive for an archive that is none of PyTorch's.
        """
        with path.open("rb") as file:
            head = file.read(len(_OLD_SAVE))
        if not head.startswith(b"PK"):
            if _is_pickle(head):
                raise PickledFile.module(path)
            reason = "it is no ZIP archive, as torch.export.save and torch.jit.save write"
            raise BrokenFile.of_kind(path, "torch.export (.pt2) program", reason, AGAIN)
        with Archive.open(path) as archive:
            content = archive.content()
            if content is Content.PICKLE:
                raise (PickledFile.checkpoint if archive.holds_tensors_only() else PickledFile.module)(path)
            if content is Content.COMPILED:
                reason = "it holds compiled code (AOTInductor), not the graph; save the model with torch.export.save"
                raise BrokenFile.of_kind(path, "torch.export (.pt2) program", reason)
            if content is Content.EXPORT:
                graph, texts = _read_export(archive, progress)
                return _trace(path, graph, "torch.export", texts)
            from graphreel.capture.torchfile.script_file import read_script

            graph, texts = read_script(archive, progress)
            return _trace(path, graph, "torchscript", texts)


def _is_pickle(head: bytes) -> bool:
    """Protocol 2 to 5, then an opcode that pickles of objects begin with."""
    return len(head) > 2 and head[0] == 0x80 and 2 <= head[1] <= 5 and head[2:3] in b"\x8a\x95c}]q(\x8c"


def _trace(path: Path, graph: Graph, source: str, texts: Mapping[str, str]) -> Trace:
    versions = {name: graph.meta[name] for name in _VERSIONS if name in graph.meta}
    return SingleGraphTrace(path, graph, TraceInfo(source=source, versions=versions), texts)


def _read_export(archive: Archive, progress: Progress) -> tuple[Graph, dict[str, str]]:
    entry, *others = archive.models() or ["serialized_exported_program.json"]
    text = archive.read(entry)
    try:
        program = program_of(text)
        if others:
            program = Program(program.listing, {**program.meta, "other_models": ", ".join(others)}, program.mutations)
        return build_graph(program, progress), texts_of(
            line for listing in _listings(program.listing) for each in listing.operations for line in each.stack
        )
    except RecursionError as error:
        reason = f"its {entry} is nested too deeply"
        raise BrokenFile.of_kind(archive.path, ".pt2 program", reason, AGAIN) from error
    except _MALFORMED as error:
        reason = f"its {entry} does not follow the schema of torch.export ({_told(error)})"
        raise BrokenFile.of_kind(archive.path, ".pt2 program", reason, AGAIN) from error


def _told(error: Exception) -> str:
    text = " ".join(str(error).split())[:120]
    return f"no entry {text}" if isinstance(error, KeyError) else text


def _listings(listing: Listing) -> list[Listing]:
    found = [listing]
    # Grows while it is walked through: bodies within bodies.
    for each in found:
        found.extend(body.listing for operation in each.operations for body in operation.bodies)
    return found
