"""Times as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.errors import InvalidInput
from awry.formats.rfc3339 import format_time, parse_time


@pytest.mark.parametrize(
    ("text", "ms"),
    [
        (0, 0),
        (-1, -1),
        (1_700_000_000_000, 1_700_000_000_000),
        (1_700_000_000_000.9, 1_700_000_000_000),
        ("1700000000000", 1_700_000_000_000),
        ("1700000000000.5", 1_700_000_000_000),
        ("-1", -1),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000),
        ("2023-11-14t22:13:20z", 1_700_000_000_000),
        ("2023-11-14 22:13:20", 1_700_000_000_000),
        ("2023-11-14T23:13:20+01:00", 1_700_000_000_000),
        ("2023-11-14T17:43:20-0430", 1_700_000_000_000),
        ("2023-11-14T22:13:20.123456789Z", 1_700_000_000_123),
        ("2023-11-14T22:13:20.1Z", 1_700_000_000_100),
        ("2023-11-14T22:13", 1_699_999_980_000),
        ("2023-11-14", 1_699_920_000_000),
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59.999Z", -1),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999),
        ("0001-01-01", -62_135_596_800_000),
    ],
)
def test_good_times(text: int | float | str, ms: int) -> None:
    """Numbers are milliseconds; a time without a zone is UTC; what is finer than a millisecond is dropped."""
    assert ms == parse_time(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "x", "yesterday", "2023-13-01", "2023-02-29", "2023-11-14T25:00:00Z", "2023-11-14T22:13:20+25:00", "14.11.2023"),
        *("1e30", "nan", "²", "9" * 18, "9" * 30, "0001-01-01T00:00:00+01:00"),
        *(10**30, -(10**30), 1e300, float("nan"), float("inf"), True),
    ],
)
def test_bad_times(text: int | float | str) -> None:
    """Each is InvalidInput with a hint of how to write one."""
    with pytest.raises(InvalidInput, match="cannot") as caught:
        parse_time(text)
    assert "RFC 3339" in caught.value.hint


@given(st.integers(-62_135_596_800_000, 253_402_300_799_999))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_round_trip(ms: int) -> None:
    """What is written is read."""
    assert ms == parse_time(format_time(ms))


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None, derandomize=True)
def test_any_text_is_a_time_or_invalid(text: str) -> None:
    """Nothing else is raised."""
    try:
        parse_time(text)
    except InvalidInput as error:
        assert error.hint  # noqa: PT017 (both outcomes are right)
