"""Sizes in bytes as people write them: `64MB`, `1.5GiB`, `500000`."""

import re

_UNITS = {"": 1, "b": 1}
for _power, _unit in enumerate("kmgt", 1):
    _UNITS |= {_unit: 1000**_power, f"{_unit}b": 1000**_power, f"{_unit}ib": 1024**_power}


def parse_size(given: str | int) -> int | None:
    """The bytes that a text means, or None where it means none. KB is 1000 bytes, KiB 1024, and so are kb and kib."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([a-z]*)", str(given).strip().lower())
    if found is None or found[2] not in _UNITS or isinstance(given, bool):
        return None
    unit = _UNITS[found[2]]
    return int(float(found[1]) * unit) if "." in found[1] else int(found[1]) * unit


def size_text(size: int) -> str:
    """A size as `parse_size` reads it, in the largest unit that shows it whole."""
    for unit in ("TiB", "TB", "GiB", "GB", "MiB", "MB", "KiB", "KB"):
        if size and size % _UNITS[unit.lower()] == 0:
            return f"{size // _UNITS[unit.lower()]}{unit}"
    return f"{size}B"
