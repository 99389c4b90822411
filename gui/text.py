"""Numbers as people read them."""

UNITS = (("s", 1_000_000_000), ("ms", 1_000_000), ("µs", 1_000))


def duration_text(nanoseconds: int) -> str:
    """Three significant digits with the unit that suits: `1.24 ms`, `312 ns`."""
    for unit, size in UNITS:
        if nanoseconds >= size:
            return (
                f"{nanoseconds / size:.3g} {unit}" if nanoseconds < 1000 * size else f"{nanoseconds // size:,} {unit}"
            )
    return f"{nanoseconds} ns"


def count_text(count: int, one: str, many: str = "") -> str:
    """A number with its noun: `1 node`, `3,230 nodes`."""
    return f"{count:,} {one if count == 1 else many or one + 's'}"


def bytes_text(count: int) -> str:
    """Bytes with the unit that suits, in steps of 1,024: `512 B`, `4.3 MB`."""
    size = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1024 or unit == "GB":
            break
        size /= 1024
    return f"{size:.3g} {unit}" if size < 1000 else f"{size:,.0f} {unit}"
