"""The harnesses under benchmarks/ still fit the code they measure."""

from __future__ import annotations

import importlib
from pathlib import Path

import pytest

HARNESSES = sorted(path.stem for path in (Path(__file__).parents[2] / "benchmarks").glob("*.py") if path.stem != "__init__")


@pytest.mark.parametrize("name", HARNESSES)
def test_a_harness_can_be_loaded(name: str) -> None:
    """Every name that a harness imports exists; peers of other projects are imported only when they run."""
    assert importlib.import_module(f"benchmarks.{name}").__doc__
