"""Arguments of operations as plain data that attributes can hold; spelled as the recorder spells them."""

from typing import Any

SHOWN_ITEMS = 64
SHOWN_TEXT = 2_000

SCALAR_TYPES = {
    1: "uint8",
    2: "int8",
    3: "int16",
    4: "int32",
    5: "int64",
    6: "float16",
    7: "float32",
    8: "float64",
    9: "complex32",
    10: "complex64",
    11: "complex128",
    12: "bool",
    13: "bfloat16",
    28: "uint16",
    29: "float8_e4m3fn",
    30: "float8_e5m2",
    31: "float8_e4m3fnuz",
    32: "float8_e5m2fnuz",
    33: "float8_e8m0fnu",
    34: "uint32",
    35: "uint64",
}
"""Element types by their numbers in the files of torch.export."""
LAYOUTS = {
    1: "sparse_coo",
    2: "sparse_csr",
    3: "sparse_csc",
    4: "sparse_bsr",
    5: "sparse_bsc",
    6: "_mkldnn",
    7: "strided",
}
MEMORY_FORMATS = {1: "contiguous_format", 2: "channels_last", 3: "channels_last_3d", 4: "preserve_format"}


def plain(given: Any) -> Any:
    """Any argument as JSON can hold it: a dtype as `float32`, a device as `cuda:0`, anything unknown as its text."""
    if given is None or isinstance(given, bool | int | float):
        return given
    if isinstance(given, str):
        return given if len(given) <= SHOWN_TEXT else f"{given[:SHOWN_TEXT]}… ({len(given):,} characters)"
    if isinstance(given, list | tuple):
        return shortened([plain(entry) for entry in given[: SHOWN_ITEMS + 1]], len(given))
    if isinstance(given, dict):
        return {str(key): plain(entry) for key, entry in list(given.items())[:SHOWN_ITEMS]}
    return plain(str(given).removeprefix("torch."))


def shortened(items: list[Any], count: int) -> Any:
    """A list, or where it is long how many entries it has and the first of them."""
    return items if count <= SHOWN_ITEMS else {"count": count, "first": items[:16]}


def numbered(label: str, count: int) -> list[str]:
    """What the tensors of a list are called: `tensors[0]`, `tensors[1]`, …; one alone is called as the list."""
    return [label] if count == 1 else [f"{label}[{at}]" for at in range(count)]
