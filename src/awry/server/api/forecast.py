"""GET /api/v1/forecast: what one series will be over the next hours, in which band, and when it gets to a limit."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.errors import InvalidInput, NotFound
from awry.core.series_key import canonical
from awry.detection.forecast import CONFIDENCES, Forecast, Outlook, outlook
from awry.engine.pipeline import Pipeline
from awry.server.api.params import MAX_TIME_MS, choice, required, resource
from awry.server.api.samples import brief
from awry.server.durations import format_duration, parse_duration
from awry.server.problems import reply

if TYPE_CHECKING:
    from awry.server.app import App

DEFAULT_HORIZON_MS = 6 * 3_600_000
USUAL_POINTS, MAX_POINTS = 300, 10_000
"""Points when no step is given, at most; and the most that a step may ask for."""


def routes(app: App) -> list[BaseRoute]:
    """/api/v1/forecast."""

    async def get(request: Request) -> Response:
        key = canonical(required(request, "series"))
        horizon = _duration(request, "horizon") or DEFAULT_HORIZON_MS
        step, limit = _duration(request, "step"), _number(request, "reaches")
        confidence = int(choice(request, "confidence", tuple(str(c) for c in CONFIDENCES), "99"))
        if step and horizon // step > MAX_POINTS:
            raise InvalidInput(
                f"cannot answer with {horizon // step} points", hint=f"{MAX_POINTS} are the most; ask for a longer step"
            )
        slot = app.table.find(key)
        if slot < 0:
            raise NotFound(f"cannot find the series {key[:200]!r}", hint="GET /api/v1/series?match= lists series")
        view = await app.engine.ask(lambda pipeline: look(pipeline, slot, key))
        return await app.read(lambda: reply(answer(view, key, horizon, step, confidence, limit)))

    return [resource("/api/v1/forecast", get=get)]


def look(pipeline: Pipeline, slot: int, key: str) -> Outlook:
    """A copy of what a forecast needs, taken on the engine's thread. Raises NotFound, Conflict."""
    arrivals = pipeline.arrivals.columns
    if slot >= pipeline.slots or not arrivals["count"][slot]:
        raise NotFound(f"cannot find the series {key[:200]!r}: none of its samples is committed", hint="ask again in a second")
    return outlook(pipeline.judge, slot, int(arrivals["last_time"][slot]), float(arrivals["interval"][slot]))


def answer(view: Outlook, key: str, horizon: int, step: int, confidence: int, limit: float | None) -> dict[str, Any]:
    """The answer; horizon and step in ms, step 0: the series' interval, or longer so that there are USUAL_POINTS at most."""
    step = step or max(math.ceil(view.interval), -(-horizon // USUAL_POINTS))
    points = min(max(1, horizon // step), max(1, (MAX_TIME_MS - view.last) // step))
    found = view.forecast(view.last + step * np.arange(1, points + 1, dtype=np.int64), confidence)
    return {
        "series": key,
        "from": view.last,
        "interval": round(view.interval),
        "step": step,
        "confidence": confidence,
        "follows": found.how,
        "next": {name: column[0] for name, column in _columns(view.next(confidence)).items()},
        **_columns(found),
        "reaches": None if limit is None else {"limit": limit, **found.reaches(limit)},
    }


def _columns(found: Forecast) -> dict[str, list[Any]]:
    numbers = {name: [brief(v) for v in getattr(found, name).tolist()] for name in ("expected", "low", "high")}
    return {"time": found.time.tolist(), **numbers}


def _duration(request: Request, name: str) -> int:
    """Milliseconds of a duration parameter, 0 when it is not given. Raises InvalidInput."""
    text = request.query_params.get(name)
    if text is None:
        return 0
    ms = parse_duration(text)
    if ms < 1:
        raise InvalidInput(f"cannot use {name}={format_duration(ms)}: it must be longer", hint='write "6h", "90s" or "30d"')
    return ms


def _number(request: Request, name: str) -> float | None:
    """A finite number, None when it is not given. Raises InvalidInput."""
    text = request.query_params.get(name)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value) or len(text) > 40 or "_" in text:
        raise InvalidInput(f"cannot use {name}={text[:40]!r}", hint="a number is expected, such as 95 or 1.5e9")
    return value
