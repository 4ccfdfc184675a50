"""Placement: the first table that matches and states something decides it."""

from __future__ import annotations

import pytest

from awry.core.errors import InvalidSelector
from awry.core.placement import Place, Placement, Placing

PLACEMENT = Placement(
    (
        Placing.of("shop", 'orders{shop="berlin"}', time_zone="Europe/Berlin", holidays="DE"),
        Placing.of("orders", "orders", detector="counts", time_zone="Europe/London"),
        Placing.of("rest", "", detector="lean"),
    ),
    Place(time_zone="America/New_York", holidays="US"),
)


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ('orders{shop="berlin"}', Place("counts", "Europe/Berlin", "DE", "orders")),
        ('orders{shop="leeds"}', Place("counts", "Europe/London", "US", "orders")),
        ("cpu", Place("lean", "America/New_York", "US", "rest")),
    ],
)
def test_the_first_table_that_states_something_decides_it(key: str, expected: Place) -> None:
    """Detector, time zone and holidays are decided one by one; what no table states is the default."""
    assert expected == PLACEMENT.of(key)


def test_without_tables_everything_is_the_default() -> None:
    """No configuration: the detector is chosen from the samples, times are UTC."""
    assert Place("auto", "UTC", "", "") == Placement().of("cpu")


def test_an_empty_text_is_a_statement() -> None:
    """`holidays = ""` takes the default's holidays away."""
    assert "" == Placement((Placing.of("a", "", holidays=""),), Place(holidays="DE")).of("x").holidays


def test_a_bad_selector_is_refused() -> None:
    """A selector that does not parse is an error when the list is made, not when a series comes."""
    with pytest.raises(InvalidSelector):
        Placing.of("a", "x{")
