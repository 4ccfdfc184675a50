"""Which part explains a sample: a table of cases."""

from __future__ import annotations

import numpy as np
import pytest

from awry.detection.records import FAMILIES, FAMILY_NAMES
from awry.detection.speaker import HANDICAP, PARTS, SURPRISING, speaker

QUIET = {"q": 0.3, "ratio": 1.0, "rest": 1.0, "exceeded": 1.0, "beyond": 0.0}


def named(families: dict[str, float], **facts: float) -> str:
    """The part named for these surprises of families and these facts beside quiet ones."""
    family = np.zeros(FAMILIES)
    for name, surprise in families.items():
        family[FAMILY_NAMES.index(name)] = surprise
    told = QUIET | facts
    return PARTS[speaker(family, told["q"], told["ratio"], told["rest"], told["exceeded"], told["beyond"])]


@pytest.mark.parametrize(
    ("families", "facts", "part"),
    [
        ({}, {}, "shape"),
        ({}, {"q": 0.3, "rest": 5.0}, "pca"),
        ({}, {"q": 6.0, "rest": 5.0}, "shape"),
        ({}, {"ratio": 10.0}, "day"),
        ({}, {"ratio": 10.0, "exceeded": 11.0}, "jump"),
        ({}, {"exceeded": 6.0}, "jump"),
        ({}, {"exceeded": 3.0}, "shape"),
        ({}, {"beyond": 3.0}, "beyond"),
        ({"levels": 6.0}, {"beyond": 3.0, "ratio": 90.0}, "beyond"),
        ({"levels": 2.0}, {"ratio": 90.0, "exceeded": 90.0}, "level"),
        ({"levels": 0.5}, {"exceeded": 90.0}, "jump"),
        ({"sustained": 2.0}, {}, "sustained"),
        ({"variability": 2.0}, {}, "variability"),
        ({"flatness": 2.0}, {}, "flat"),
        ({"trends": 2.0}, {}, "trend"),
        ({"jumps": 2.0}, {}, "jump"),
        ({"day records": 2.0}, {}, "day"),
        ({"week records": 2.0}, {}, "week"),
        ({"week records": 3.0, "day records": 1.5}, {}, "week"),
    ],
)
def test_the_simplest_true_statement_is_made(families: dict[str, float], facts: dict[str, float], part: str) -> None:
    """Beyond all others first, then records, then the time of day or a jump, then what is left: shape or pca."""
    assert part == named(families, **facts)


def test_of_equally_surprising_statements_the_simpler_is_made() -> None:
    """With the same surprise everywhere a family with less handicap speaks; a level before all others."""
    everywhere = dict.fromkeys(FAMILY_NAMES, 3.0)
    order = []
    while everywhere:
        part = named(everywhere)
        name = next(n for n in FAMILY_NAMES if PARTS[1 + FAMILY_NAMES.index(n)] == part)
        order.append(HANDICAP[FAMILY_NAMES.index(name)])
        del everywhere[name]
    assert sorted(order) == order
    assert "level" == named(dict.fromkeys(FAMILY_NAMES, 3.0))


@pytest.mark.parametrize("name", FAMILY_NAMES)
def test_a_small_surprise_is_not_worth_telling(name: str) -> None:
    """A family speaks above 0.8 plus its handicap, and not below."""
    limit = SURPRISING + float(HANDICAP[FAMILY_NAMES.index(name)])
    assert "shape" == named({name: limit - 0.01})
    assert PARTS[1 + FAMILY_NAMES.index(name)] == named({name: limit + 0.01})
