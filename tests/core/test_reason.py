"""Every component has its clause, which says what the stored numbers show and no more."""

from __future__ import annotations

import numpy as np
import pytest

from awry.core.odds import how_often
from awry.core.reason import clause, reasons, was
from awry.detection.catalogue import detector_names, make_detector
from awry.detection.parts import PARTS

PLAIN = "is 93, expected 20\u201330"
SILENT = {"none", "other", "alone"}
"""Components that are no reason: nothing of ours spoke."""


@pytest.mark.parametrize("part", [p for p in PARTS if p not in SILENT and p not in ("above", "below")])
def test_every_component_says_something_of_its_own(part: str) -> None:
    """Of a value above its band and of one within: never the words of a component that is unknown."""
    assert PLAIN != clause(part, 93.0, 25.0, 20.0, 30.0)
    assert "unusual for it" not in clause(part, 25.0, 25.0, 20.0, 30.0)


def test_the_words_of_all_detectors_are_known() -> None:
    """A detector with a new component needs a row in reason.py."""
    known = {*PARTS}
    assert {} == {n: extra for n in detector_names() if (extra := set(make_detector(n).parts) - known) and n in _ours()}


def _ours() -> set[str]:
    return {name for name in detector_names() if type(make_detector(name)).__module__.startswith("awry.")}


@pytest.mark.parametrize(
    ("part", "value", "words"),
    [
        ("level", 93.0, "is 93, a level hardly ever seen before (expected 20\u201330)"),
        ("level", 25.0, "is 25, within the expected 20\u201330, but its recent level was hardly ever seen before"),
        ("sustained", 93.0, "is 93 and has stayed high (expected 20\u201330)"),
        ("sustained", 3.0, "is 3 and has stayed low (expected 20\u201330)"),
        ("sustained", 25.0, "is 25 and has stayed away from its usual level"),
        ("jump", 93.0, "jumped to 93 (expected 20\u201330)"),
        ("jump", 3.0, "dropped to 3 (expected 20\u201330)"),
        ("jump", 25.0, "is 25, within the expected 20\u201330 but after an unusually large step"),
        ("trend", 3.0, "is 3 and falling (expected 20\u201330)"),
        ("variability", 25.0, "is 25, within the expected 20\u201330, and swings more than usual"),
        ("flat", 25.0, "has hardly moved from 25 for unusually long"),
        ("day", 93.0, "is 93, unusual for this time of day (expected 20\u201330)"),
        ("week", 93.0, "is 93, unusual for this time of the week (expected 20\u201330)"),
        ("day", 25.0, "is 25, within the expected 20\u201330, but its recent values are unusual for this time of day"),
        ("heartbeat", 25.0, "is 25 and its usual activity did not come"),
        ("beyond", 93.0, "is 93, far above anything seen before (expected 20\u201330)"),
        ("beyond", 3.0, "is 3, far below anything seen before (expected 20\u201330)"),
        ("siblings", 93.0, "is 93, above where its siblings are (expected 20\u201330)"),
        ("late", 93.0, "is 93 and was already apart from its siblings (expected 20\u201330)"),
        ("below", 3.0, "is 3, below the expected 20\u201330"),
        ("none", 93.0, PLAIN),
        ("of another package", 93.0, PLAIN),
        ("absent", None, "stopped sending"),
    ],
)
def test_clause(part: str, value: float | None, words: str) -> None:
    """What the component stands for, with the numbers."""
    assert words == clause(part, value, 25.0, 20.0, 30.0)


def test_a_clause_without_a_band_names_what_is_known() -> None:
    """Only an expected value, or nothing at all; a NaN is not known; a unit stands behind each number once."""
    assert "is 93, far beyond anything seen before (expected about 25)" == clause("beyond", 93.0, 25.0, None, float("nan"))
    assert "is 93, a level hardly ever seen before" == clause("level", 93.0, None, None, None)
    assert "is strange" == clause("level", None, 25.0, 20.0, 30.0)
    assert "jumped to 93 % (expected 20\u201330 %)" == clause("jump", 93.0, 25.0, 20.0, 30.0, "%")


def test_an_earlier_sample_is_told_as_past() -> None:
    """is, has and swings become was, had and swung; jumped stays."""
    assert "was 93 and had stayed high" == was("is 93 and has stayed high")
    assert "had hardly moved from 3" == was("has hardly moved from 3")
    assert "jumped to 93" == was("jumped to 93")


def test_only_strange_samples_have_reasons() -> None:
    """From 1 in 100 on; NaN scores have none."""
    value, score = np.array([1.0, 50.0, 3.0]), np.array([0.1, 0.4, np.nan])
    found = reasons(["none", "jump", "level"], value, value * 0 + 2, value * 0 + 1, value * 0 + 3, score)
    assert [None, "jumped to 50 (expected 1\u20133)", None] == found


@pytest.mark.parametrize(
    ("score", "interval", "words"),
    [
        (0.5, 60_000.0, "about once in 2 months for this series"),
        (0.3, 300_000.0, "about once in 3 days for this series"),
        (0.9, 60_000.0, "less than once in 2 months for this series"),
        (0.05, 60_000.0, ""),
        (0.5, float("nan"), ""),
        (None, 60_000.0, ""),
    ],
)
def test_how_often(score: float | None, interval: float, words: str) -> None:
    """A score as a stretch of time: 1e5 minutes are two months."""
    assert words == how_often(score, interval)
