"""The recordings that ship with Awry, for `awry demo`: seven files of the Numenta Anomaly Benchmark (MIT licence)."""

from __future__ import annotations

import csv
import json
from datetime import UTC, datetime
from importlib.resources import files
from importlib.resources.abc import Traversable

import numpy as np

from awry.connectors.replay import Recording


def demo_recordings(folder: Traversable | None = None) -> tuple[Recording, ...]:
    """Every recording that the folder's `series.json` names; without a folder, the one in the package."""
    folder = folder or files("awry") / "demo_data"
    index = json.loads((folder / "series.json").read_text(encoding="utf-8"))
    return tuple(_read(folder / entry["file"], entry["series"]) for entry in index)


def _read(file: Traversable, key: str) -> Recording:
    with file.open(encoding="utf-8") as lines:
        rows = list(csv.reader(lines))[1:]
    time = [round(datetime.fromisoformat(row[0]).replace(tzinfo=UTC).timestamp() * 1000) for row in rows]
    return Recording(key, np.array(time, np.int64), np.array([float(row[1]) for row in rows]))
