"""The prediction beside what a capacity run measured, and whether they agree."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from awry.cli.capacity.prediction import HEAD_EACH, HEAD_SAMPLES, predict
from awry.core.errors import InvalidInput

AGREES = 0.15
"""A prediction holds within this share of what is measured."""


def compared(run: Mapping[str, Any], measured: Mapping[str, Any] | None = None) -> dict[str, Any] | None:
    """Predicted and measured of processor, memory and database of one run; None where nothing is known of its detector."""
    held = min(run["accepted_before_kill"], max(HEAD_SAMPLES, HEAD_EACH * run["series"]))
    lean = run["detector"] == "lean"
    try:
        told = predict(run["series"], round(run["interval_seconds"] * 1000), 0, lean=lean, measured=measured, held=held)
    except InvalidInput:
        return None
    # all samples of a run came just now, so that each is in a chunk and in the journal still
    disk = run["database_samples"] * (told.sample_bytes + told.journal_bytes) + run["series"] * told.series_bytes
    return {
        "cores": _pair(told.cores, run["busy_cores"]),
        "memory_bytes": _pair(told.memory_bytes, run["resident_bytes"]),
        "database_bytes": _pair(disk, run["database_bytes"]),
    }


def _pair(predicted: float, measured: float) -> dict[str, Any]:
    error = predicted / measured - 1.0 if measured else 0.0
    return {
        "predicted": round(predicted, 4),
        "measured": measured,
        "error": round(error, 4),
        "within_15_percent": abs(error) <= AGREES,
    }
