"""What there is to see of an array."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from graphreel.analysis.arrays import Histogram, excerpt


@given(arrays.arrays(np.float64, st.integers(1, 50), elements=st.floats(allow_nan=True, allow_infinity=True)))
def test_every_finite_element_is_counted_once(array: np.ndarray) -> None:
    histogram = Histogram.of(array, bins=7)
    finite = array[np.isfinite(array)]
    assert sum(histogram.counts) == histogram.finite == len(finite)
    assert histogram.total == array.size
    if len(finite):
        assert (histogram.low, histogram.high) == (finite.min(), finite.max())
        assert histogram.counts[0] > 0


def test_a_histogram_counts_as_numpy_does() -> None:
    array = np.random.default_rng(0).normal(size=1000)
    expected, edges = np.histogram(array, bins=24)
    histogram = Histogram.of(array, bins=24)
    assert histogram.counts == tuple(expected.tolist())
    assert (histogram.low, histogram.high) == (edges[0], edges[-1])


def test_nothing_finite_gives_no_bins() -> None:
    assert Histogram.of(np.array([np.nan, np.inf])) == Histogram((), 0.0, 0.0, 0, 2)
    assert Histogram.of(np.zeros(0)).total == 0


@pytest.mark.parametrize(
    ("array", "rows", "whole"),
    [
        (np.array(3.14159), [["3.142"]], True),
        (np.array([1, 2, 3]), [["1", "2", "3"]], True),
        (np.array([True, False]), [["True", "False"]], True),
        (np.arange(100.0).reshape(10, 10), [["0", "1"], ["10", "11"]], False),
        (np.arange(8).reshape(2, 2, 2), [["0", "1"], ["2", "3"]], False),
        (np.zeros((0, 3)), [], True),
        (np.array([1 + 2j, np.nan]), [["1+2j", "nan+0j"]], True),
    ],
)
def test_an_excerpt_shows_the_first_numbers(array: np.ndarray, rows: list[list[str]], whole: bool) -> None:
    columns = 3 if array.ndim < 2 else 2
    assert excerpt(array, rows=2, columns=columns) == (rows, whole)
