"""What names and exporters' metadata tell of a node: the scopes it stands in and the line it came from."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

from graphreel.graph import ScopeKind, Source

NAME_SCOPES = "pkg.torch.onnx.name_scopes"
CLASS_HIERARCHY = "pkg.torch.onnx.class_hierarchy"
STACK_TRACE = "pkg.torch.onnx.stack_trace"
NAMESPACE = "namespace"

DEEPEST = 40
"""Scopes of a node beyond this depth are left out; no real model comes near."""

_QUOTED = re.compile(r"'([^']*)'|\"([^\"]*)\"")
_FRAME = re.compile(r'^\s*File "([^"\n]*)", line (\d{1,9}), in ([^\n]*)$', re.MULTILINE)
_DOTTED = re.compile(r"[A-Za-z_]\w*(?:\.\w+)+")
_LIBRARY = re.compile(r"[/\\](?:site|dist)-packages[/\\]")


@dataclass(frozen=True, slots=True)
class ScopePart:
    """One scope of a path: what it is called, its class where known, and what kind of group it is."""

    name: str
    type: str
    kind: ScopeKind


PlaceKey: TypeAlias = tuple[str, str, str]
"""What the scopes of a node are read from: the way of reading, and one or two texts."""


NOWHERE: PlaceKey = ("name", "", "")
"""What stands for a node whose name and metadata tell no place."""


def tells_modules(key: PlaceKey) -> bool:
    """Whether a place is the path of a module, rather than a part of a name that may mean anything."""
    way, _, more = key
    return way != "name" or more == "modules"


def place_key(name: str, told: Mapping[str, str], modules: bool) -> tuple[PlaceKey, str]:
    """Where a node stands, by its metadata, else by its name; and what it is called there.

    `modules` says that names which begin with `/` are paths of modules, as torch's old exporter has them.
    """
    prefix, short = name_prefix(name)
    if NAME_SCOPES in told:
        return ("hierarchy", told[NAME_SCOPES], told.get(CLASS_HIERARCHY, "")), short
    if NAMESPACE in told:
        return ("namespace", told[NAMESPACE], ""), short
    return ("name", prefix, "modules" if modules and prefix.startswith("/") else ""), short


@lru_cache(maxsize=4096)
def parts_at(key: PlaceKey) -> tuple[ScopePart, ...]:
    """The scopes from the outermost to the innermost."""
    way, text, more = key
    if way == "hierarchy":
        return _parts_of_hierarchy(text, more)
    if way == "namespace":
        return _parts_of_namespace(text)
    kind = ScopeKind.MODULE if more else ScopeKind.NAME_SCOPE
    return tuple([part for each in text.split("/") for part in _named(each, kind)][:DEEPEST])


def _parts_of_hierarchy(names: str, classes: str) -> tuple[ScopePart, ...]:
    """From what torch.onnx.export writes: Python lists of dotted module paths and of class names.

    The last entry is the operation itself. The first path is empty and stands for the whole module.
    """
    paths = _texts(names)[:-1]
    types = _texts(classes)
    return _nested(zip(paths, [*types, *[""] * len(paths)], strict=False))


def _parts_of_namespace(namespace: str) -> tuple[ScopePart, ...]:
    """From a namespace such as `: Net/layers.0: Block/layers.0.fc: torch.nn.Linear/linear: aten.linear`."""
    entries = (entry.partition(": ") for entry in namespace.split("/")[:-1])
    return _nested((path.strip(), cls.strip()) for path, _, cls in entries)


def name_prefix(name: str) -> tuple[str, str]:
    """A node's name as the path before it and the name itself.

    `/layers.0/attn/MatMul` is `/layers.0/attn` and `MatMul`; `model.layers.0.attn` is `model.layers.0` and `attn`.
    """
    # TensorFlow's converter joins the names of fused operations by a semicolon; the first tells the place.
    name = name.partition(";")[0]
    above, slash, last = name.rpartition("/")
    if slash:
        return above, last
    above, dot, last = name.rpartition(".")
    # A number after the only dot tells equal names apart (`Conv.1`), it is no path.
    if dot and _DOTTED.fullmatch(name) and ("." in above or not last.isdigit()):
        return above, last
    return "", name


def stack_of(text: str) -> list[Source]:
    """The lines that a stack trace names, outermost first, down to the innermost that is no installed library's."""
    frames = [Source(file, int(line), function.strip()) for file, line, function in _FRAME.findall(text)]
    own = [index for index, frame in enumerate(frames) if not _LIBRARY.search(frame.file)]
    return frames[: own[-1] + 1] if own else frames


def _nested(pairs: Iterable[tuple[str, str]]) -> tuple[ScopePart, ...]:
    """Scopes of module paths that each extend the one before; only the last part of each is of the class named."""
    parts: list[ScopePart] = []
    above = ""
    for path, cls in pairs:
        short = cls.rpartition(".")[2]
        inner = path[len(above) + 1 :] if above and path.startswith(f"{above}.") else path
        names = [name for name in inner.split(".") if name] or ([short] if not parts and short else [])
        parts.extend(ScopePart(name, "", ScopeKind.MODULE) for name in names[:-1])
        if names:
            parts.append(ScopePart(names[-1], short, ScopeKind.MODULE))
        above = path
    return tuple(parts[:DEEPEST])


def _texts(listing: str) -> list[str]:
    return [single or double for single, double in _QUOTED.findall(listing)]


@lru_cache(maxsize=4096)
def _named(name: str, kind: ScopeKind) -> tuple[ScopePart, ...]:
    names = name.split(".") if _DOTTED.fullmatch(name) else [name]
    return tuple(ScopePart(each, "", kind) for each in names if each)
