"""Arrays that grow keep their rows, gain zeros, and beyond a few megabytes are not copied."""

from __future__ import annotations

import numpy as np
import pytest

from awry.core import growth
from awry.core.growth import grown


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, np.int64, np.bool_])
def test_rows_are_kept_and_new_ones_are_zero(dtype: type, axis: int) -> None:
    """At every size, whether the array is copied, reserved, or a longer view."""
    rng = np.random.default_rng(1)
    expected = np.zeros((7, 0) if axis else (0, 7), dtype)
    actual = expected.copy()
    for rows in (1, 10, 1000, 50_000, 400_000, 1_000_000):
        shape = (7, rows) if axis else (rows, 7)
        wider = np.zeros(shape, dtype)
        have = expected.shape[axis]
        fresh = rng.integers(0, 2, (7, rows - have) if axis else (rows - have, 7)).astype(dtype)
        if axis:
            wider[:, :have], wider[:, have:] = expected, fresh
            actual = grown(actual, rows, axis)
            assert not actual[:, have:].any()
            actual[:, have:rows] = fresh
            assert np.array_equal(wider, actual[:, :rows])
        else:
            wider[:have], wider[have:] = expected, fresh
            actual = grown(actual, rows, axis)
            assert not actual[have:].any()
            actual[have:rows] = fresh
            assert np.array_equal(wider, actual[:rows])
        expected = wider


def test_a_large_array_stays_where_it_is() -> None:
    """Growing it is a longer view of the same memory: nothing is copied."""
    array = grown(np.zeros((10, 1000), np.float32), 10_000)
    array[9_999, 999] = 1.5
    longer = grown(array, 200_000)
    assert array.__array_interface__["data"][0] == longer.__array_interface__["data"][0]
    assert 1.5 == longer[9_999, 999]
    assert longer.flags.c_contiguous
    assert longer.flags.writeable


def test_beyond_the_reservation_it_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """A table with more rows than were reserved still grows."""
    monkeypatch.setattr(growth, "RESERVED", 100)
    array = grown(np.ones((10, 1_000_000), np.uint8), 20)
    assert np.array_equal(np.arange(400) < 10, grown(array, 400)[:400, 0] == 1)


def test_without_reservations_it_is_copied(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system gives no address space, growing still works."""

    def refuse(*args: object, **options: object) -> None:
        raise OSError("no room")

    monkeypatch.setattr(growth.mmap, "mmap", refuse, raising=True)
    monkeypatch.setattr(growth, "_whole", lambda array, axis: None)
    array = grown(np.ones((10, 1_000_000), np.uint8), 20)
    assert 10_000_000 == int(array.sum())
