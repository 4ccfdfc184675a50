"""The server's own metrics as OpenMetrics text: one table that /metrics and the docs use."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from awry.server.api.status import show_sources, states

if TYPE_CHECKING:
    from awry.server.app import App

CONTENT_TYPE = "application/openmetrics-text; version=1.0.0; charset=utf-8"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family: counters are written with the suffix _total."""

    name: str
    kind: Literal["counter", "gauge", "info"]
    help: str
    labels: tuple[str, ...] = ()


METRICS: tuple[Metric, ...] = (
    Metric("awry_build", "info", "Version of Awry.", ("version",)),
    Metric("awry_start_time_seconds", "gauge", "When the server started, Unix time."),
    Metric("awry_series", "gauge", "Series that exist, by state.", ("state",)),
    Metric("awry_series_refused", "counter", "New series refused by a limit."),
    Metric("awry_samples_received", "counter", "Samples that arrived, refused ones included.", ("source",)),
    Metric("awry_samples_accepted", "counter", "Samples that were committed.", ("source",)),
    Metric("awry_samples_refused", "counter", "Samples that were refused, by reason.", ("source", "reason")),
    Metric("awry_source_up", "gauge", "1 while the source works.", ("source",)),
    Metric("awry_source_lag_seconds", "gauge", "How far the newest sample was behind the clock when it was accepted.", ("source",)),
    Metric("awry_source_restarts", "counter", "How often the source had to be begun anew.", ("source",)),
    Metric("awry_commit_delay_seconds", "gauge", "Recent 99th percentile from receiving a sample to its commit."),
    Metric("awry_incidents_open", "gauge", "Open incidents, by severity.", ("severity",)),
    Metric("awry_store_up", "gauge", "1 while the store can write."),
    Metric("awry_store_bytes", "gauge", "Size of the database."),
    Metric("awry_store_samples", "gauge", "Samples stored."),
    Metric("awry_notifier_delivered", "counter", "Changes delivered.", ("notifier",)),
    Metric("awry_notifier_failed", "counter", "Changes given up.", ("notifier",)),
    Metric("awry_notifier_retries", "counter", "Deliveries that had to be tried again.", ("notifier",)),
    Metric("awry_notifier_waiting", "gauge", "Changes not yet delivered.", ("notifier",)),
    Metric("awry_http_requests", "counter", "HTTP requests answered.", ("method", "status")),
    Metric("awry_http_request_seconds", "counter", "Time spent answering HTTP requests."),
    Metric("process_cpu_seconds", "counter", "Processor time of the process."),
    Metric("process_resident_memory_bytes", "gauge", "Memory of the process."),
    Metric("process_open_fds", "gauge", "Open files of the process."),
    Metric("process_max_fds", "gauge", "Most open files of the process."),
)

Point = tuple[Mapping[str, str], float]


def render(app: App) -> str:
    """The text of /metrics; blocking."""
    lines = []
    values = _values(app)
    for metric in METRICS:
        lines += [f"# TYPE {metric.name} {metric.kind}", f"# HELP {metric.name} {metric.help}"]
        suffix = {"counter": "_total", "gauge": "", "info": "_info"}[metric.kind]
        lines += [f"{metric.name}{suffix}{_labels(labels)} {value!r}" for labels, value in values[metric.name]]
    return "\n".join([*lines, "# EOF", ""])


def _values(app: App) -> dict[str, list[Point]]:
    snapshot, stats, gate = app.engine.snapshot, app.archive.stats(), app.asgi
    sources, notifiers = show_sources(app), list(app.dispatcher.status.values())
    severities = [incident.severity for incident in snapshot.incidents]
    usage = resource.getrusage(resource.RUSAGE_SELF)

    def by_source(field: str, factor: float = 1.0) -> list[Point]:
        return [({"source": s["name"]}, s[field] * factor) for s in sources if s[field] is not None]

    def by_notifier(field: str) -> list[Point]:
        return [({"notifier": n.name}, float(getattr(n, field))) for n in notifiers]

    return {
        "awry_build": [({"version": app.version}, 1)],
        "awry_start_time_seconds": _one(app.started / 1000),
        "awry_series": [({"state": state}, n) for state, n in states(app).items()],
        "awry_series_refused": _one(app.table.refused_limit),
        "awry_samples_received": by_source("received"),
        "awry_samples_accepted": by_source("accepted"),
        "awry_samples_refused": [({"source": s["name"], "reason": r}, n) for s in sources for r, n in sorted(s["refused"].items())],
        "awry_source_up": [({"source": s["name"]}, float(s["state"] == "running" and not s["error"])) for s in sources],
        "awry_source_lag_seconds": by_source("lag", 0.001),
        "awry_source_restarts": by_source("restarts"),
        "awry_commit_delay_seconds": _one(snapshot.delay_ms / 1000),
        "awry_incidents_open": [({"severity": s}, float(severities.count(s))) for s in ("info", "warning", "critical")],
        "awry_store_up": _one(float(not snapshot.store_error)),
        "awry_store_bytes": _one(stats["bytes"]),
        "awry_store_samples": _one(stats["samples"]),
        "awry_notifier_delivered": by_notifier("delivered"),
        "awry_notifier_failed": by_notifier("failed"),
        "awry_notifier_retries": by_notifier("retries"),
        "awry_notifier_waiting": by_notifier("waiting"),
        "awry_http_requests": [({"method": m, "status": str(s)}, n) for (m, s), n in sorted(gate.answers.items())],
        "awry_http_request_seconds": _one(gate.seconds),
        "process_cpu_seconds": _one(time.process_time()),
        "process_resident_memory_bytes": _one(_resident() or usage.ru_maxrss * 1024),
        "process_open_fds": _open_files(),
        "process_max_fds": _one(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
    }


def _one(value: float) -> list[Point]:
    return [({}, value)]


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escape(value)}"' for name, value in labels.items()) + "}"


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _resident() -> int:
    """Bytes of memory in use now, or 0 where the system does not tell (then the most ever used stands in)."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _open_files() -> list[Point]:
    try:
        return _one(sum(1 for _ in Path("/proc/self/fd").iterdir()))
    except OSError:
        return []
