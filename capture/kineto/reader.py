"""Reads a profile that PyTorch's profiler wrote: `.json` or `.json.gz`, of any version since 1.8.

Ids, times and names are all that is kept; an event that has no usable time is left out and counted. What a damaged file
holds before its damage is not read: a profile with half its events would say wrong sums.
"""

import gzip
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphreel.capture.errors import BrokenFile, UnreadableFile
from graphreel.capture.kineto.columns import UNKNOWN, Category, Profile, ProfileBuilder, category_of
from graphreel.capture.kineto.stream import CutOff, JsonStream, Malformed

KIND = "profile of PyTorch's profiler"
_EVENTS = "traceEvents"
_GZIP = b"\x1f\x8b"


def read_profile(path: Path) -> Profile:
    """Read a profile. Memory is some 100 bytes an event, however large the file.

    Raises UnreadableFile, and BrokenFile where it is cut off or no profile.
    """
    reading = _Reading()
    try:
        with path.open("rb") as file:
            head = file.read(2)
        if not head:
            raise UnreadableFile.empty(path)
        opened = gzip.open if head == _GZIP else open
        with opened(path, "rt", encoding="utf-8", errors="replace") as text:
            found = reading.read(JsonStream(text))
    except FileNotFoundError:
        raise UnreadableFile.missing(path) from None
    except IsADirectoryError:
        raise UnreadableFile.folder(path, (f"a {KIND} (.json, .json.gz)",)) from None
    except (CutOff, EOFError):
        raise BrokenFile.of_kind(path, KIND, f"it is cut off after {reading.events} events", "copy it again") from None
    except Malformed as error:
        raise BrokenFile.of_kind(path, KIND, str(error)) from None
    except (gzip.BadGzipFile, zlib.error) as error:
        raise BrokenFile.of_kind(path, KIND, f"its compression is damaged ({error})", "copy it again") from None
    except OSError as error:
        raise UnreadableFile.refused(path, error) from error
    if not found:
        raise BrokenFile.of_kind(path, KIND, f"it has no {_EVENTS!r}")
    return reading.profile()


class _Reading:
    """What was read so far."""

    def __init__(self) -> None:
        self.events = 0
        self._builder = ProfileBuilder()
        self._left_out = 0

    def read(self, stream: JsonStream) -> bool:
        """Read the whole stream; False where it holds no array of events."""
        found = False
        for name, value in stream.members(_EVENTS):
            if name == _EVENTS and isinstance(value, Iterator):
                found = True
                for event in value:
                    self.events += 1
                    self._take(event)
        return found

    def profile(self) -> Profile:
        """The profile, and what is to be said of it."""
        problems = [f"{self._left_out} events without a usable time were left out"] if self._left_out else []
        return self._builder.build(problems)

    def _take(self, event: Any) -> None:
        phase = event.get("ph") if isinstance(event, dict) else None
        try:
            if phase == "X":
                self._take_complete(event)
            elif phase in ("s", "f") and event.get("cat") == "fwdbwd":
                number, start = _integer(event.get("id")), _nanoseconds(event.get("ts"))
                self._builder.add_flow(number, phase == "s", _thread(event), start)
        except (TypeError, ValueError, OverflowError):
            self._left_out += 1

    def _take_complete(self, event: dict[str, Any]) -> None:
        category = category_of(str(event.get("cat", "")))
        arguments = event.get("args")
        given: dict[str, Any] = arguments if isinstance(arguments, dict) else {}
        on_device = category.on_device
        self._builder.add(
            str(event.get("name", "")),
            category,
            _nanoseconds(event.get("ts")),
            _nanoseconds(event.get("dur", 0)),
            _thread(event),
            external=_integer(given.get("External id", given.get("external id"))),
            correlation=_integer(given.get("correlation")),
            device=_integer(given.get("device", event.get("pid"))) if on_device else UNKNOWN,
            stream=_integer(given.get("stream", event.get("tid"))) if on_device else UNKNOWN,
            # ROCm's runtime calls say `size`, as text.
            nbytes=max(_integer(given.get("bytes", given.get("size", 0))), 0) if category is not Category.OTHER else 0,
            sequence=_integer(given.get("Sequence number")),
        )


def _thread(event: dict[str, Any]) -> str:
    return f"{event.get('pid', '')}/{event.get('tid', '')}"


def _integer(given: Any) -> int:
    """A number that may be written as text, as `stream 7` is; -1 for anything else."""
    if isinstance(given, int):
        # Autograd's greatest number, which stands for none, fills 64 bits without a sign.
        return int(given) if abs(given) < 1 << 63 else UNKNOWN
    if isinstance(given, str):
        digits = given.removeprefix("stream ")
        if digits.isdecimal() and len(digits) < 20:
            return int(digits)
    return UNKNOWN


def _nanoseconds(given: Any) -> int:
    """Microseconds, which the stream hands over as int or as the text of a float, in nanoseconds without rounding.

    Raises ValueError and TypeError for what is no time.
    """
    if type(given) is int:
        return given * 1000
    if not isinstance(given, str):
        raise TypeError
    whole, _, rest = given.partition(".")
    if not rest.isdecimal():
        return round(float(given) * 1000)
    sign = -1 if whole.startswith("-") else 1
    return int(whole) * 1000 + sign * int((rest + "00")[:3])
