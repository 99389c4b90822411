"""Recorded tensors as NumPy arrays, and views that do not lie within their storage."""

import math
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphreel.tracefile.codec import Damage
from graphreel.tracefile.dtypes import ITEM_SIZES, is_shown
from graphreel.tracefile.errors import CannotShow
from graphreel.tracefile.tensors import Storage, TensorView, check_view, to_numpy
from tests.tracefile_samples import NO_BYTES, bytes_of

HUGE = 1 << 62


def flat(array: np.ndarray[Any, np.dtype[Any]], dtype: str, **more: Any) -> np.ndarray[Any, np.dtype[Any]]:
    view = TensorView(dtype, array.shape, (1,), storage=0, **more)
    return to_numpy(view, [Storage(bytes_of(array))])


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"])
def test_integers_and_booleans(dtype: str) -> None:
    numbers = np.array([0, 1, 100, 127]).astype(dtype)
    found = flat(numbers, dtype)
    assert found.dtype == numbers.dtype
    np.testing.assert_array_equal(found, numbers)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_floats_come_back_bit_for_bit(dtype: str) -> None:
    numbers = np.array([0.0, -0.0, 1.5, math.nan, math.inf, -1e-7]).astype(dtype)
    found = flat(numbers, dtype)
    assert (found.dtype, found.tobytes()) == (numbers.dtype, numbers.tobytes())


KINDS = ["bfloat16", "float8_e4m3fn", "float8_e4m3fnuz", "float8_e5m2", "float8_e5m2fnuz", "float8_e8m0fnu"]


@pytest.mark.parametrize("dtype", KINDS)
def test_every_number_of_the_short_floats_is_shown_exactly(dtype: str) -> None:
    codes = np.arange(1 << 16, dtype=np.uint16) if dtype == "bfloat16" else np.arange(256, dtype=np.uint8)
    expected = codes.view(getattr(ml_dtypes, dtype)).astype(np.float32)
    found = flat(codes, dtype)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(found[numbers]), np.signbit(expected[numbers]))


def test_complex_halves_and_flags() -> None:
    halves = np.array([1.5, -2, 0.25, math.inf], np.float16)
    view = TensorView("complex32", (2,), (1,), storage=0, about={"conj": True})
    found = to_numpy(view, [Storage(bytes_of(halves))])
    assert found.tolist() == [1.5 + 2j, complex(0.25, -math.inf)]
    assert flat(np.array([1.0, -2.0]), "float64", about={"neg": True}).tolist() == [-1, 2]
    assert flat(np.array([1, 2]), "int64", about={"neg": False}).tolist() == [1, 2]


def test_bytes_of_a_boolean_that_are_neither_0_nor_1() -> None:
    assert flat(np.array([0, 1, 2, 255], np.uint8), "bool").tolist() == [False, True, True, True]


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_strides_are_followed_as_numpy_follows_them(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(0, 4), max_size=4))
    stride = [data.draw(st.integers(0, 6)) for _ in shape]
    offset = data.draw(st.integers(0, 5))
    whole = np.arange(200, dtype=np.int32)
    found = to_numpy(TensorView("int32", tuple(shape), tuple(stride), offset, 0), [Storage(bytes_of(whole))])
    expected = np.lib.stride_tricks.as_strided(whole[offset:], shape, [step * 4 for step in stride])
    np.testing.assert_array_equal(found, expected)
    assert not found.flags.writeable or not found.size


def test_a_shape_that_repeats_a_number_takes_no_memory() -> None:
    """4 bytes that are looked at as a terabyte: also where each number has to be converted."""
    for dtype, about in (("float32", {}), ("bfloat16", {}), ("float32", {"neg": True})):
        view = TensorView(dtype, (1 << 20, 1 << 18), (0, 0), storage=0, about=about)
        assert to_numpy(view, [Storage(bytes_of(np.zeros(1, np.float32)))]).nbytes == 1 << 40


def test_an_empty_tensor_may_look_anywhere() -> None:
    view = TensorView("float32", (3, 0), (1, 1), 7, 0)
    assert to_numpy(view, [Storage(NO_BYTES)]).shape == (3, 0)


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (TensorView("float32", (5,), (1,), storage=0), "reaches to byte 20 of a storage of 16"),
        (TensorView("float32", (4,), (1,), 1, 0), "reaches to byte 20"),
        (TensorView("float32", (2, 2), (3, 1), storage=0), "reaches to byte 20"),
        (TensorView("float32", (3,), (2,), storage=0), "reaches to byte 20"),
        (TensorView("float32", (2,), (HUGE,), storage=0), "reaches to byte"),
        (TensorView("float32", (2, 2), (HUGE, HUGE), HUGE, 0), "reaches to byte"),
        (TensorView("float32", (HUGE, HUGE), (0, 0), storage=0), "that no tensor can have"),
        (TensorView("float32", (2,), (1 << 64,), storage=0), "that no tensor can have"),
        (TensorView("float32", (-1,), (1,), storage=0), "that no tensor can have"),
        (TensorView("float32", (2,), (-1,), 1, 0), "that no tensor can have"),
        (TensorView("float32", (2,), (1,), -1, 0), "that no tensor can have"),
        (TensorView("float32", (2,), (1, 1), storage=0), "1 dimensions and 2 strides"),
        (TensorView("float32", (1,) * 65, (1,) * 65, storage=0), "65 dimensions"),
        (TensorView("float32", (2,), (1,), storage=1), "storage 1, and there are 1"),
        (TensorView("float32", (2,), (1,), storage=-2), "looks at storage -2"),
        (TensorView("float32", (2,), (1,)), "looks at storage -1"),
        (TensorView("float3", (2,), (1,), storage=0), "the unknown dtype 'float3'"),
        (
            TensorView("f", (2,), (), layout="x", parts={"a": TensorView("float32", (5,), (1,), storage=0)}),
            "reaches to byte 20",
        ),
    ],
)
def test_a_view_outside_its_storage_is_refused(view: TensorView, why: str) -> None:
    storages = [Storage(np.zeros(16, np.uint8))]
    with pytest.raises(Damage, match=why):
        check_view(view, storages)
    with pytest.raises(Damage, match=why):
        to_numpy(view, storages)


def test_parts_within_parts_come_to_an_end() -> None:
    view = TensorView("float32", (), (), layout="x")
    for _ in range(10_000):
        view = TensorView("float32", (), (), layout="x", parts={"a": view})
    with pytest.raises(Damage, match="without end"):
        check_view(view, [])


def test_what_numpy_cannot_show_is_named() -> None:
    storages = [Storage(np.zeros(16, np.uint8))]
    parts = {name: TensorView("int64", (2,), (1,), storage=0) for name in ("crow_indices", "values")}
    with pytest.raises(CannotShow, match=r"layout sparse_csr .*look at its parts: crow_indices, values"):
        to_numpy(TensorView("float32", (2,), (), layout="sparse_csr", parts=parts), storages)
    for dtype in ITEM_SIZES:
        if not is_shown(dtype):
            with pytest.raises(CannotShow, match=f"dtype {dtype} cannot be shown"):
                to_numpy(TensorView(dtype, (2,), (1,), storage=0), storages)
    with pytest.raises(CannotShow, match="too large for an array"):
        to_numpy(TensorView("uint8", (1 << 61,), (0,), storage=0), storages)
