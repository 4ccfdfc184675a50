"""What a load will cost, from what was measured: processor, memory and disk; for `awry size`, and beside each capacity run.

The measured runs lie in measured.json, written by `python -m benchmarks.capacity --fit`. Between two sizes every figure is
interpolated on logarithmic scales of series and figure; beyond the outermost ones it is taken as there.

CPU: a sample costs less the more of them come at once. For each size two costs were measured, at the stated load and at full
speed; the cost at another rate lies between them on a line in logarithms.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from itertools import pairwise
from typing import Any

from awry.core.errors import InvalidInput

KEPT = (
    "series", "interval_seconds", "committed_per_second", "idle_cores", "busy_cores", "samples_per_core_second",
    "end_to_end_samples_per_second", "empty_bytes", "bytes_per_series", "accepted_before_kill", "database_bytes_per_sample",
    "journal_bytes_per_sample", "database_bytes_per_series", "recovery_seconds", "p99_ingest_to_score_ms",
    "p99_ingest_to_change_ms",
)  # fmt: skip
"""What of a run is shipped."""
HEAD_BYTES = 45
"""Of a sample in the columns in memory until it is sealed into a chunk."""
HEAD_SECONDS, HEAD_SAMPLES, HEAD_EACH = 3600, 1_000_000, 8
"""It is sealed after an hour, or when so many wait in all and of each series; see StoreOptions."""
JOURNAL_SECONDS = 7200
"""Sealed samples stay in the journal as long."""
ROOM_CORES, ROOM_MEMORY, ROOM_RATE = 0.6, 0.75, 0.5
"""Shares of a machine beyond which it should not be planned: there must be room to catch up after an outage."""
PATIENCE_SECONDS = 60.0
Run = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a load costs on one machine like the one measured."""

    series: int
    samples_per_second: float
    cores: float
    memory_bytes: float
    disk_bytes: float
    sample_bytes: float
    """In the database, of a stored sample; of one in the journal; and of a series."""
    journal_bytes: float
    series_bytes: float
    recovery_seconds: float
    full_speed: float
    """Samples/s that were measured at this many series, using all cores."""
    measured: tuple[int, int]
    """Fewest and most series that were measured."""
    machine: str

    @property
    def beyond(self) -> bool:
        """Whether it goes beyond what was measured, so that it may be wrong by more than said."""
        return not self.measured[0] <= self.series <= self.measured[1]

    def leave(self, cores: int, memory_bytes: float) -> list[str]:
        """Reasons why a machine of this size should not carry it; none when it should."""
        reasons = []
        if self.cores > ROOM_CORES * cores:
            reasons.append(f"it needs {self.cores:.2g} of {cores} cores: beyond {ROOM_CORES:.0%} little is left for questions")
        if self.samples_per_second > ROOM_RATE * self.full_speed:
            reasons.append(
                f"{self.samples_per_second:,.0f} samples/s is more than half of the {self.full_speed:,.0f} measured at full speed:"
                " catching up would take longer than the outage before it"
            )
        if self.memory_bytes > ROOM_MEMORY * memory_bytes:
            reasons.append(f"it needs {self.memory_bytes / 1e9:.2g} GB of {memory_bytes / 1e9:.3g} GB memory")
        if self.recovery_seconds > PATIENCE_SECONDS:
            reasons.append(f"a start after a crash takes about {self.recovery_seconds:.0f} s")
        return reasons


def shipped() -> dict[str, Any]:
    """The figures that came with the package."""
    found: dict[str, Any] = json.loads(resources.files("awry.cli.capacity").joinpath("measured.json").read_text(encoding="utf-8"))
    return found


def fit(runs: Sequence[Run], machine: Mapping[str, Any]) -> dict[str, Any]:
    """What is shipped of measured runs: by detector, in order of series."""
    profiles: dict[str, list[dict[str, Any]]] = {}
    for run in sorted(runs, key=lambda r: r["series"]):
        profiles.setdefault(run["detector"], []).append({key: run[key] for key in KEPT})
    return {"machine": dict(machine), "profiles": profiles}


def predict(
    series: int,
    interval_ms: int,
    retention_ms: int,
    *,
    lean: bool = False,
    measured: Mapping[str, Any] | None = None,
    held: float | None = None,
) -> Prediction:
    """What `series` at one sample each interval cost, in a steady state with all of `retention_ms` stored. Raises InvalidInput.

    `held`: samples that wait in memory to be sealed, where it is known; by default as many as ever will.
    """
    measured = measured or shipped()
    if series < 1 or interval_ms < 1 or retention_ms < 0:
        raise InvalidInput("cannot size nothing", hint="give at least one series and an interval above 0")
    runs = measured["profiles"].get("lean" if lean else "auto", [])
    if not runs:
        raise InvalidInput("cannot size it: nothing was measured with this detector", hint="awry bench capacity measures it here")
    rate = series / (interval_ms / 1000)
    waiting = head_samples(series, rate) if held is None else held

    def of(value: Callable[[Run], float]) -> float:
        return interpolate(series, [(run["series"], value(run)) for run in runs])

    memory = of(lambda run: run["empty_bytes"]) + series * of(_state_bytes) + HEAD_BYTES * waiting
    names = ("database_bytes_per_sample", "journal_bytes_per_sample", "database_bytes_per_series")
    per_sample, per_waiting, per_series = (of(lambda run, name=name: run[name]) for name in names)  # type: ignore[misc]  # lambdas' defaults
    seconds = retention_ms / 1000
    disk = rate * (seconds * per_sample + min(JOURNAL_SECONDS, seconds) * per_waiting) + series * per_series
    about = measured["machine"]
    return Prediction(
        series=series,
        samples_per_second=rate,
        cores=of(lambda run: run["idle_cores"]) + rate * of(lambda run: cost(run, rate)),
        memory_bytes=memory,
        disk_bytes=disk,
        sample_bytes=per_sample,
        journal_bytes=per_waiting,
        series_bytes=per_series,
        recovery_seconds=of(lambda run: run["recovery_seconds"]),
        full_speed=of(lambda run: run["end_to_end_samples_per_second"]),
        measured=(runs[0]["series"], runs[-1]["series"]),
        machine=f"{about.get('processor', 'unknown processor')}, {about.get('cores', '?')} cores",
    )


def head_samples(series: int, rate: float) -> float:
    """Most samples that wait in memory to be sealed."""
    return min(rate * HEAD_SECONDS, max(HEAD_SAMPLES, HEAD_EACH * series))


def cost(run: Run, rate: float) -> float:
    """CPU seconds of a sample when `rate` of them come a second, at the number of series of the run."""
    loaded = float(run["committed_per_second"])
    spread = max(1e-9, float(run["busy_cores"] - run["idle_cores"]) / loaded)
    full, at_full = float(run["end_to_end_samples_per_second"]), 1.0 / float(run["samples_per_core_second"])
    if full <= loaded:
        return spread
    share = math.log(min(max(rate, loaded), full) / loaded) / math.log(full / loaded)
    return math.exp((1.0 - share) * math.log(spread) + share * math.log(at_full))


def interpolate(series: int, points: Sequence[tuple[int, float]]) -> float:
    """A figure at a number of series, on logarithmic scales between its neighbours (a plain one where a figure is not above 0)."""
    if series <= points[0][0]:
        return points[0][1]
    for (a, low), (b, high) in pairwise(points):
        if series <= b:
            share = math.log(series / a) / math.log(b / a)
            if low > 0 and high > 0:
                return math.exp((1.0 - share) * math.log(low) + share * math.log(high))
            return (1.0 - share) * low + share * high
    return points[-1][1]


def _state_bytes(run: Run) -> float:
    """Memory of a series without the samples that wait to be sealed."""
    waiting = min(run["accepted_before_kill"], max(HEAD_SAMPLES, HEAD_EACH * run["series"]))
    return float(max(0.0, run["bytes_per_series"] - HEAD_BYTES * waiting / run["series"]))
