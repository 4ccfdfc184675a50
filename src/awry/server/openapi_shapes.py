"""The shapes of the OpenAPI document: what bodies and answers look like."""

from __future__ import annotations

from typing import Any

from awry.server.api.params import MAX_TIME_MS

Json = dict[str, Any]


def ref(name: str) -> Json:
    """A reference to a shape."""
    return {"$ref": f"#/components/schemas/{name}"}


def _maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _list(schema: Json) -> Json:
    return {"type": "array", "items": schema}


def _object(fields: Json, optional: tuple[str, ...] = (), *, closed: bool = False) -> Json:
    shape: Json = {"type": "object", "properties": fields, "required": [f for f in fields if f not in optional]}
    if closed:
        shape["additionalProperties"] = False
    return shape


TEXT: Json = {"type": "string"}
NUMBER: Json = {"type": "number"}
COUNT: Json = {"type": "integer", "minimum": 0}
FLAG: Json = {"type": "boolean"}
MS: Json = {"type": "integer"}
COLUMN = _list(_maybe(NUMBER))
MARK = _maybe(TEXT)
_TIME_IN: Json = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": MAX_TIME_MS},
        {"type": "string", "format": "date-time", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-"},
    ]
}
_DURATION: Json = {"type": "string", "pattern": "^[0-9]{1,3}(ms|s|m|h|d)$", "description": "500ms, 90s, 5m, 2h, 30d"}
_NAME: Json = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$"}
_SCORE: Json = {"type": "number", "exclusiveMinimum": 0, "maximum": 1}
_RULE_IN: Json = {
    "name": _NAME,
    "selector": {"type": "string", "maxLength": 4096},
    "threshold": _maybe(_SCORE),
    "budget": _maybe({"type": "string", "pattern": "^[1-9][0-9]{0,3} per [1-9][0-9]{0,2}(h|d|w)$"}),
    "clear": _maybe(_SCORE),
    "for": _DURATION,
    "keep_for": _DURATION,
    "absent": FLAG,
    "group_by": {"type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 200}, "maxItems": 16},
    "together": _DURATION,
    "severity": {"enum": ["info", "warning", "critical"]},
    "notify": _list(TEXT),
    "enabled": FLAG,
}
_SILENCE_IN: Json = {
    "selector": {"type": "string", "maxLength": 4096},
    "start": _maybe(_TIME_IN),
    "end": _maybe(_TIME_IN),
    "duration": _maybe(_DURATION),
    "comment": {"type": "string", "maxLength": 4000},
    "author": {"type": "string", "maxLength": 200},
}
_SERIES: Json = {
    "key": TEXT,
    "kind": {"enum": ["gauge", "counter"]},
    "state": {"enum": ["warming", "watching", "silent", "parked"]},
    "time": _maybe(MS),
    "value": _maybe(NUMBER),
    "expected": _maybe(NUMBER),
    "low": _maybe(NUMBER),
    "high": _maybe(NUMBER),
    "score": _maybe(NUMBER),
    "segment": _maybe(NUMBER),
    "interval": _maybe(MS),
    "seen": COUNT,
    "detector": _maybe(TEXT),
    "detector_reason": _maybe(TEXT),
}
_MEMBER = {
    "key": TEXT,
    "start": MS,
    "end": _maybe(MS),
    "score": NUMBER,
    "raw": _maybe(NUMBER),
    "value": _maybe(NUMBER),
    "expected": _maybe(NUMBER),
    "low": _maybe(NUMBER),
    "high": _maybe(NUMBER),
    "part": TEXT,
    "why": TEXT,
}
_INCIDENT: Json = {
    "id": TEXT,
    "state": {"enum": ["open", "resolved"]},
    "rule": TEXT,
    "severity": {"enum": ["info", "warning", "critical"]},
    "start": MS,
    "end": _maybe(MS),
    "score": NUMBER,
    "title": TEXT,
    "total": COUNT,
    "updated": MS,
    "series": _list(_object(_MEMBER)),
}
_CHANGE = {
    "number": COUNT,
    "kind": {"enum": ["opened", "updated", "resolved"]},
    "time": MS,
    "title": TEXT,
    "score": NUMBER,
    "series": COUNT,
    "notify": _list(TEXT),
    "silenced": TEXT,
}
_SOURCE = {
    "name": TEXT,
    "state": {"enum": ["starting", "running", "waiting", "ended"]},
    "address": _maybe(TEXT),
    "received": COUNT,
    "accepted": COUNT,
    "refused": {"type": "object", "additionalProperties": COUNT},
    "lag": _maybe(MS),
    "last_time": _maybe(MS),
    "last_seen": _maybe(MS),
    "error": TEXT,
    "restarts": COUNT,
}
_NOTIFIER = {
    "name": TEXT,
    "delivered": COUNT,
    "failed": COUNT,
    "silenced": COUNT,
    "retries": COUNT,
    "waiting": COUNT,
    "error": TEXT,
    "last_delivered": _maybe(MS),
}
_STATUS = {
    "version": TEXT,
    "started": MS,
    "time": MS,
    "ready": FLAG,
    "series": {"type": "object", "additionalProperties": COUNT},
    "ingest": _object({"per_second": NUMBER, "delay": NUMBER}),
    "incidents": {"type": "object", "additionalProperties": COUNT},
    "store": _object({"error": TEXT, "bytes": COUNT, "samples": COUNT, "oldest": _maybe(MS), "newest": _maybe(MS)}),
    "sources": _list(_object(_SOURCE)),
    "notifiers": _list(_object(_NOTIFIER)),
}
_DRY_RUN = {
    "start": MS,
    "end": MS,
    "series": COUNT,
    "replayed": COUNT,
    "complete": FLAG,
    "episodes": COUNT,
    "incidents": COUNT,
    "per_week": NUMBER,
    "threshold_low": _maybe(NUMBER),
    "threshold_high": _maybe(NUMBER),
    "examples": _list(_object({"start": MS, "end": _maybe(MS), "score": NUMBER, "title": TEXT})),
}
_ANY_ROW: Json = {"description": "A row that does not fit is refused by itself, with its index and a reason."}
_COLUMNS = _object({"series": {"anyOf": [_list(_ANY_ROW), TEXT]}, "time": _list(_ANY_ROW), "value": _list(_ANY_ROW)})
_VALUES = ("value", "expected", "low", "high", "raw", "score", "segment")

SCHEMAS: Json = {
    "Error": _object({"error": _object({"code": TEXT, "message": TEXT, "hint": TEXT})}),
    "Forecast": _object(
        {
            "series": TEXT,
            "from": MS,
            "interval": COUNT,
            "step": COUNT,
            "confidence": {"enum": [90, 99]},
            "follows": {"enum": ["stay", "day", "ramp"]},
            "next": _object({"time": MS, "expected": NUMBER, "low": NUMBER, "high": NUMBER}),
            "time": _list(MS),
            "expected": COLUMN,
            "low": COLUMN,
            "high": COLUMN,
            "reaches": _maybe(_object({"limit": NUMBER, "time": _maybe(MS), "earliest": _maybe(MS), "latest": _maybe(MS)})),
        }
    ),
    "SamplesIn": {
        "anyOf": [
            _object({"samples": _list(_ANY_ROW)}),
            _object({"series": _ANY_ROW, "time": _ANY_ROW, "value": _ANY_ROW}),
            _COLUMNS,
        ]
    },
    "Accepted": _object(
        {"accepted": COUNT, "refused": _list(_object({"index": COUNT, "reason": TEXT})), "refused_total": COUNT}, ("refused_total",)
    ),
    "Samples": _object(
        {"series": TEXT, "time": _list(MS), **dict.fromkeys(_VALUES, COLUMN), "part": _list(TEXT), "why": _list(_maybe(TEXT))}
    ),
    "SeriesPage": _object({"series": _list(_object(_SERIES)), "next": MARK}),
    "Deleted": _object({"deleted": FLAG, "count": COUNT, "series": _list(TEXT), "more": FLAG}),
    "Incidents": _object({"incidents": _list(_object(_INCIDENT)), "next": MARK}),
    "IncidentWithChanges": _object({**_INCIDENT, "changes": _list(_object(_CHANGE))}),
    "RuleIn": _object(_RULE_IN, tuple(name for name in _RULE_IN if name != "name"), closed=True),
    "RuleOfAnyName": _object(_RULE_IN, tuple(_RULE_IN), closed=True),
    "Anything": {"type": "object"},
    "Rule": _object(
        {
            **_RULE_IN,
            "for": TEXT,
            "keep_for": TEXT,
            "together": TEXT,
            "budget": MARK,
            "clear": _maybe(NUMBER),
            "origin": {"enum": ["default", "config", "api"]},
        }
    ),
    "Rules": _object({"rules": _list(ref("Rule"))}),
    "Verdict": _object({"valid": FLAG, "error": {"anyOf": [{"type": "object"}, {"type": "null"}]}, "rule": _maybe(ref("Rule"))}),
    "DryRunIn": _object(
        {"rule": ref("RuleOfAnyName"), "days": {"type": "number", "exclusiveMinimum": 0, "maximum": 30}}, ("days",), closed=True
    ),
    "DryRun": _object(_DRY_RUN),
    "SilenceIn": _object(_SILENCE_IN, tuple(name for name in _SILENCE_IN if name != "selector"), closed=True),
    "Silence": _object(
        {
            "id": TEXT,
            "state": {"enum": ["pending", "active", "expired"]},
            "selector": TEXT,
            "start": MS,
            "end": MS,
            "comment": TEXT,
            "author": TEXT,
        }
    ),
    "Silences": _object({"silences": _list(ref("Silence"))}),
    "Status": _object(_STATUS),
    "Word": _object({"status": TEXT}),
}
