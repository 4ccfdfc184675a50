"""GET /api/v1/samples: one series' samples, scores, expected values and band over a range; for charts and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.errors import InvalidInput, NotFound
from awry.core.quantity import unit_of
from awry.core.reason import reasons
from awry.core.series_key import canonical, parse_key
from awry.core.tick import Samples
from awry.server.api.params import integer, range_of, required, resource
from awry.server.api.samples_in import post_samples
from awry.server.downsample import rows_to_keep
from awry.server.problems import reply

if TYPE_CHECKING:
    from awry.server.app import App

DEFAULT_RANGE_MS = 24 * 3_600_000
MAX_POINTS = 100_000
MAX_ROWS = 1_000_000
MOST_READ = 10_000_000
"""Samples that are read from the store for one answer, thinned or not."""


def routes(app: App) -> list[BaseRoute]:
    """GET and POST /api/v1/samples."""
    parts = tuple(app.judge.parts)

    async def get(request: Request) -> Response:
        key = canonical(required(request, "series"))
        start, end = range_of(request, app.clock.now_ms(), DEFAULT_RANGE_MS)
        points = integer(request, "points", 0, 1, MAX_POINTS)
        return await app.read(lambda: reply(read_range(app, key, start, end, points, parts)))

    return [resource("/api/v1/samples", get=get, post=lambda request: post_samples(app, request))]


def read_range(app: App, key: str, start: int, end: int, points: int, parts: tuple[str, ...]) -> dict[str, Any]:
    """The answer of GET /api/v1/samples for a canonical key; blocking. Raises NotFound, InvalidInput.

    points: 0 keeps every sample. parts: names of the components that may have spoken, as `Scored.part` counts them.
    """
    slot = app.table.find(key)
    if slot < 0:
        raise NotFound(f"cannot find the series {key[:200]!r}", hint="GET /api/v1/series?match= lists series")
    about = _about(app, slot, start, end)
    if about > MOST_READ:
        raise InvalidInput(
            f"cannot read about {about:,} samples at once: the limit is {MOST_READ:,}", hint="ask for a shorter range"
        )
    samples = app.archive.samples(slot, start, end)
    if points:
        rows = rows_to_keep(samples.time, samples.value, samples.scored.score, start, end, points)
        samples = Samples(samples.time[rows], samples.value[rows], samples.scored.take(rows))
    elif len(samples) > MAX_ROWS:
        raise InvalidInput(
            f"cannot answer with {len(samples)} samples", hint="ask for a shorter range, or thin it with points=1000"
        )
    scored = samples.scored
    spoke = [parts[i] for i in scored.part.tolist()]
    return {
        "series": key,
        "time": samples.time.tolist(),
        "value": samples.value.tolist(),
        "expected": short(scored.expected),
        "low": short(scored.low),
        "high": short(scored.high),
        "raw": short(scored.raw),
        "score": np.round(scored.score.astype(np.float64), 4).tolist(),
        "segment": np.round(scored.segment.astype(np.float64), 4).tolist(),
        "part": spoke,
        "why": reasons(spoke, samples.value, scored.expected, scored.low, scored.high, scored.score, unit_of(parse_key(key)[0])),
    }


def _about(app: App, slot: int, start: int, end: int) -> int:
    """How many samples a series has in a range, from its interval: at most so many as it ever sent."""
    snapshot = app.engine.snapshot
    if slot >= snapshot.series:
        return 0
    seen, interval = int(snapshot.seen[slot]), float(snapshot.interval_ms[slot])
    return min(seen, int((end - start) / interval)) if interval >= 1 else seen


def brief(value: float | None) -> float | None:
    """One number with the seven digits that a float32 has."""
    return None if value is None else float(f"{value:.7g}")


def short(column: NDArray[np.float32]) -> list[float]:
    """float32 numbers with the seven digits they have, rather than the seventeen of the same number as float64."""
    wide = column.astype(np.float64)
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        scale = 10.0 ** (6 - np.floor(np.log10(np.abs(wide))))
        rounded = np.round(wide * scale) / scale
    shown: list[float] = np.where(np.isfinite(rounded), rounded, wide).tolist()
    return shown
