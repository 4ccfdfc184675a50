"""GET /api/v1/status: how the server is doing, source by source; and the OpenAPI document."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.engine.snapshot import STATES
from awry.server.api.params import resource
from awry.server.openapi import document
from awry.server.problems import reply

if TYPE_CHECKING:
    from awry.server.app import App

RATE_MS = 60_000
"""The ingest rate is told over this long."""


def routes(app: App) -> list[BaseRoute]:
    """/api/v1/status and /api/v1/openapi.json."""

    async def get(_: Request) -> Response:
        return reply(await app.read(show_status, app))

    async def get_document(_: Request) -> Response:
        return reply(document(app.version))

    return [resource("/api/v1/status", get=get), resource("/api/v1/openapi.json", get=get_document)]


def states(app: App) -> dict[str, int]:
    """How many series are in each state."""
    snapshot = app.engine.snapshot
    there = snapshot.seen[: snapshot.series] > 0  # a deleted series was never seen
    counts = np.bincount(snapshot.state[: snapshot.series][there], minlength=len(STATES))
    return dict(zip(STATES, counts.tolist(), strict=True))


def show_sources(app: App) -> list[dict[str, Any]]:
    """Every source that has a counter or runs: what it brought, what was refused and why, and whether it works."""
    pumps = {pump.source.name: pump for pump in app.pumps}
    counters = app.engine.counters.sources
    shown = []
    for name in sorted({*pumps, *counters}):
        counter, pump = counters.get(name), pumps.get(name)
        address = getattr(pump.source, "address", None) if pump else None
        shown.append(
            {
                "name": name,
                "state": pump.state if pump else "running",
                "address": f"{address[0]}:{address[1]}" if address and address[0] else None,
                "received": counter.received if counter else 0,
                "accepted": counter.accepted if counter else 0,
                "refused": dict(counter.refused) if counter else {},
                "lag": counter.lag_ms if counter and counter.last_seen else None,
                "last_time": counter.last_time or None if counter else None,
                "last_seen": counter.last_seen or None if counter else None,
                "error": counter.error if counter else "",
                "restarts": pump.restarts if pump else 0,
            }
        )
    return shown


def show_status(app: App) -> dict[str, Any]:
    """The whole status; blocking. Times are Unix ms, durations ms."""
    snapshot, stats, limits = app.engine.snapshot, app.archive.stats(), app.config.limits
    recent = [n for ms, n in snapshot.rate if ms >= snapshot.time - RATE_MS]
    return {
        "version": app.version,
        "started": app.started,
        "time": app.clock.now_ms(),
        "ready": app.ready,
        "series": {
            "total": app.table.live,
            **states(app),
            "limit": limits.series,
            "new_per_minute_limit": limits.new_series_per_minute,
            "refused_by_limit": app.table.refused_limit,
        },
        "ingest": {"per_second": round(sum(recent) / (RATE_MS / 1000), 1), "delay": round(snapshot.delay_ms, 1)},
        "incidents": {
            "open": len(snapshot.incidents),
            **dict(sorted(Counter(i.severity for i in snapshot.incidents).items())),
        },
        "store": {
            "error": snapshot.store_error,
            "bytes": stats["bytes"],
            "samples": stats["samples"],
            "oldest": stats["oldest"] or None,
            "newest": stats["newest"] or None,
        },
        "sources": show_sources(app),
        "notifiers": [
            {
                "name": status.name,
                "delivered": status.delivered,
                "failed": status.failed,
                "silenced": status.silenced,
                "retries": status.retries,
                "waiting": status.waiting,
                "error": status.last_error,
                "last_delivered": status.last_delivered,
            }
            for status in app.dispatcher.status.values()
        ],
    }
