"""What lies in a ZIP archive of PyTorch's, told by the names of its entries. Nothing in it is run or unpickled."""

import pickletools
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from types import TracebackType
from typing import Self

from graphreel.capture.errors import BrokenFile
from graphreel.capture.torchfile.errors import ForeignArchive

KIND = "file of PyTorch's"
AGAIN = "save or copy it again"
CUT_OFF = "the ZIP archive has no table of contents at its end: the file is cut off or no archive"
LARGEST_ENTRY = 512 * 2**20
"""Bytes of code or JSON that are read at most; a graph of a million operations has some 400 MB."""
LARGEST_SCAN = 16 * 2**20
_TENSORS_ONLY = ("torch._utils _rebuild_", "collections OrderedDict", "torch.serialization _get_layout", "torch Size")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OverflowError)


class Content(Enum):
    """What kind of thing an archive is."""

    SCRIPT = "TorchScript file"
    EXPORT = ".pt2 program"
    COMPILED = "package of compiled code"
    PICKLE = "pickle"


@dataclass(frozen=True, slots=True)
class Archive:
    """An open archive. `folder` is the one at the top, with its slash; names are those within it."""

    path: Path
    zip: zipfile.ZipFile
    folder: str
    names: Sequence[str]

    @classmethod
    def open(cls, path: Path) -> Self:
        """Open it; raises BrokenFile for what is no whole ZIP archive, OSError where it cannot be read."""
        try:
            found = zipfile.ZipFile(path)
        except _BROKEN as error:
            raise BrokenFile.of_kind(path, KIND, CUT_OFF, AGAIN) from error
        # A file that was cut off may end with an archive that lay inside of it, which then begins somewhere behind.
        if min((info.header_offset for info in found.infolist()), default=0) != 0:
            found.close()
            raise BrokenFile.of_kind(path, KIND, CUT_OFF, AGAIN)
        names = [name for name in found.namelist() if not name.endswith("/")]
        folder = names[0].partition("/")[0] + "/" if names and "/" in names[0] else ""
        if not all(name.startswith(folder) for name in names):
            folder = ""
        return cls(path, found, folder, [name.removeprefix(folder) for name in names])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.zip.close()

    def content(self) -> Content:
        """What it is; raises ForeignArchive where PyTorch did not write it."""
        names = set(self.names)
        if self.models() or "serialized_exported_program.json" in names:
            return Content.EXPORT
        if any(name.startswith("code/") for name in names) and "data.pkl" in names:
            return Content.SCRIPT
        if "archive_format" in names or any("aotinductor/" in name for name in names):
            return Content.COMPILED
        if "data.pkl" in names or ".data/extern_modules" in names:
            return Content.PICKLE
        raise ForeignArchive

    def models(self) -> list[str]:
        """The entries with exported programs; the one called `model`, as torch.export.save writes it, stands first."""
        if "archive_format" not in self.names:
            return []
        found = [name for name in self.names if name.startswith("models/") and name.endswith(".json")]
        return sorted(found, key=lambda name: (name != "models/model.json", name))

    def read(self, name: str) -> bytes:
        """The bytes of an entry; raises BrokenFile where it is missing, damaged or too large."""
        try:
            info = self.zip.getinfo(self.folder + name)
            if info.file_size > LARGEST_ENTRY:
                large = (
                    f"its entry {name!r} has {info.file_size:,} bytes, more than the {LARGEST_ENTRY:,} that are read"
                )
                raise BrokenFile.of_kind(self.path, KIND, large)
            return self.zip.read(info)
        except KeyError as error:
            raise BrokenFile.of_kind(self.path, KIND, f"its entry {name!r} is missing", AGAIN) from error
        except _BROKEN as error:
            raise BrokenFile.of_kind(self.path, KIND, f"its entry {name!r} is damaged", AGAIN) from error

    def size(self, name: str) -> int:
        """How many bytes an entry has, unpacked."""
        return self.zip.getinfo(self.folder + name).file_size

    def holds_tensors_only(self) -> bool:
        """Whether the pickle, which is parsed here but never run, names nothing but tensors and plain containers."""
        try:
            with self.zip.open(self.folder + "data.pkl") as entry:
                text = entry.read(LARGEST_SCAN)
            named = [str(arg) for op, arg, _ in pickletools.genops(text) if op.name == "GLOBAL"]
        except (KeyError, *_BROKEN):
            return False
        return all(name.startswith(_TENSORS_ONLY) or name.endswith("Storage") for name in named)
