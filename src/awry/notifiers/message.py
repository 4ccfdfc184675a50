"""The words and the JSON of one change of an incident, for every notifier."""

from __future__ import annotations

from datetime import UTC, datetime

from awry.core.incident import Change, Incident, IncidentSeries
from awry.core.odds import how_often
from awry.core.reason import reason_of

SHOWN_SERIES = 10
"""Series listed in a message; the rest are counted."""

_WORD = {"opened": "Opened", "updated": "Still open", "resolved": "Resolved"}


def title(change: Change) -> str:
    """One line: what happened to which incident, and how urgent it is."""
    incident = change.incident
    return f"{_WORD[change.kind]} [{incident.severity}] {incident.title}"


def body(change: Change, link: str = "") -> str:
    """Plain text: since when, how strange, which series, and where to look. `link` is the server's address for people."""
    incident = change.incident
    lines = [_since(incident), f"Score {incident.score:.2f}, rule {incident.rule}"]
    lines += [f"- {_series(series)}" for series in incident.series[:SHOWN_SERIES]]
    hidden = len(incident.series) - SHOWN_SERIES
    if hidden > 0:
        lines.append(f"- and {hidden} more")
    if link:
        lines.append(incident_link(incident, link))
    return "\n".join(lines)


def change_json(change: Change, link: str = "") -> dict[str, object]:
    """The change as webhooks send it: the incident has the shape of the API. Times are Unix ms, null while open."""
    incident = change.incident
    return {
        "version": 1,
        "number": change.number,
        "kind": change.kind,
        "time": change.time,
        "title": title(change),
        "text": body(change, link),
        "link": incident_link(incident, link) if link else None,
        "incident": {
            "id": incident.id,
            "state": incident.state,
            "rule": incident.rule,
            "severity": incident.severity,
            "start": incident.start,
            "end": incident.end,
            "score": _short(incident.score),
            "title": incident.title,
            "series": [
                {
                    "key": s.key,
                    "start": s.start,
                    "end": s.end,
                    "score": _short(s.score),
                    "value": s.value,
                    "expected": _short(s.expected),
                    "low": _short(s.low),
                    "high": _short(s.high),
                    "part": s.part,
                    "why": reason_of(s),
                }
                for s in incident.series
            ],
        },
    }


def _short(number: float | None) -> float | None:
    """What the detector says has seven digits; the rest is the noise of a 32-bit number."""
    return None if number is None else float(f"{number:.7g}")


def incident_link(incident: Incident, link: str) -> str:
    """Address of the incident's page."""
    return f"{link.rstrip('/')}/incidents/{incident.id}"


def _since(incident: Incident) -> str:
    if incident.end is None:
        return f"Since {_time(incident.start)}"
    return f"From {_time(incident.start)} to {_time(incident.end)}, {_duration(incident.end - incident.start)}"


def _series(series: IncidentSeries) -> str:
    if series.part == "absent":
        return f"{series.key}: no samples since {_time(series.start)}"
    odds = how_often(series.score, series.interval)
    return f"{series.key} {reason_of(series)}, score {series.score:.2f}" + (f", {odds}" if odds else "")


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def _duration(ms: int) -> str:
    seconds = ms // 1000
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if seconds >= 2 * size:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds} s"
