"""The OpenAPI document of the API, written by hand beside the routes; schemathesis holds both together."""

from __future__ import annotations

from typing import Any

from awry.server.api.params import MAX_TIME_MS
from awry.server.openapi_shapes import SCHEMAS, ref

Json = dict[str, Any]

_ERRORS = {
    400: "What was sent is wrong; sending it again unchanged will not help.",
    401: "No valid token.",
    403: "The token may only read, or another site started this write.",
    404: "There is no such thing.",
    408: "The body did not arrive in time.",
    409: "It exists already, stands in the config file, or is too young.",
    413: "Over a limit.",
    415: "A content type or encoding nobody reads.",
    421: "This server does not have that host name.",
    429: "The queue is full; send again after Retry-After seconds.",
    503: "The store cannot write now; send again after Retry-After seconds.",
}
_EVERYWHERE = (400, 401, 403, 421)
_TIME: Json = {
    "anyOf": [
        {"type": "integer", "minimum": 0, "maximum": MAX_TIME_MS},
        {"type": "string", "format": "date-time", "pattern": "^(19[7-9][0-9]|[2-9][0-9]{3})-"},
    ]
}


def _query(name: str, schema: Json, about: str, required: bool = False) -> Json:
    return {"name": name, "in": "query", "schema": schema, "description": about, "required": required}


def _path(name: str) -> Json:
    return {
        "name": name,
        "in": "path",
        "required": True,
        "schema": {"type": "string", "minLength": 1, "pattern": "^[A-Za-z0-9_-]+$"},
    }


def _operation(id: str, about: str, ok: Json, errors: tuple[int, ...] = (), body: Json | None = None, params: Any = ()) -> Json:
    responses = {str(status): _error(status) for status in sorted({*_EVERYWHERE, *errors})} | ok
    operation: Json = {"operationId": id, "summary": about, "responses": responses}
    if params:
        operation["parameters"] = list(params)
    if body is not None:
        operation["requestBody"] = {"required": True, "content": body}
    return operation


def _error(status: int) -> Json:
    answer: Json = {"description": _ERRORS[status], "content": {"application/json": {"schema": ref("Error")}}}
    if status in (429, 503):
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return answer


def _ok(about: str, shape: str, status: int = 200) -> Json:
    return {str(status): {"description": about, "content": _json(shape)}}


def _json(shape: str) -> Json:
    return {"application/json": {"schema": ref(shape)}}


def _empty(about: str) -> Json:
    return {"204": {"description": about}}


_SELECTOR: Json = {"type": "string", "maxLength": 4096}
_LIMIT = _query("limit", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}, "How many at most.")
_START = _query("start", _TIME, "From when (inclusive), Unix ms or RFC 3339.")
_END = _query("end", _TIME, "Until when (exclusive), Unix ms or RFC 3339.")
_WRITE = (404, 408, 409, 413, 503)


def _samples() -> Json:
    points = _query("points", {"type": "integer", "minimum": 1, "maximum": 100_000}, "Thin to about this many, keeping extremes.")
    key = _query("series", {"type": "string", "minLength": 1}, "Key of the series.", True)
    body = {"application/json": {"schema": ref("SamplesIn")}, "application/x-ndjson": {"schema": {}}}
    return {
        "get": _operation(
            "getSamples",
            "Samples and scores of one series.",
            _ok("Columns.", "Samples"),
            (404,),
            params=(key, _START, _END, points),
        ),
        "post": _operation(
            "postSamples",
            "Send samples; answered once they are committed.",
            _ok("Committed.", "Accepted"),
            (408, 413, 415, 429, 503),
            body,
        ),
    }


def _forecast() -> Json:
    duration = {"type": "string", "pattern": "^[1-9][0-9]{0,2}(s|m|h|d)$"}
    params = (
        _query("series", {"type": "string", "minLength": 1}, "Key of the series.", True),
        _query("horizon", {**duration, "default": "6h"}, "How far ahead, from the newest sample."),
        _query("step", duration, "Time between points; by default the interval, or longer so that there are 300 points at most."),
        _query("confidence", {"enum": ["90", "99"], "default": "99"}, "Percent of values that the band is to hold."),
        _query("reaches", {"type": "number"}, "A limit: when does the series get there?"),
    )
    return {
        "get": _operation("getForecast", "What a series will be.", _ok("Columns.", "Forecast"), (404, 409, 429, 503), params=params)
    }


def _write() -> Json:
    headers = {
        f"X-Prometheus-Remote-Write-{kind}-Written": {"schema": {"type": "integer"}}
        for kind in ("Samples", "Histograms", "Exemplars")
    }
    ok = {"204": {"description": "Committed.", "headers": headers}}
    body = {"application/x-protobuf": {"schema": {"type": "string", "format": "binary"}}}
    return {"post": _operation("remoteWrite", "Prometheus remote-write 1.0 and 2.0.", ok, (408, 413, 415, 429, 503), body)}


def _series() -> Json:
    match = _query("match", _SELECTOR, 'Selector, for example cpu{host="a"}; empty means all.')
    state = _query("state", {"enum": ["warming", "watching", "silent", "parked"]}, "Only series in this state.")
    order = _query("order", {"enum": ["first_seen", "score"], "default": "first_seen"}, "score: the strangest now, first.")
    after = _query("after", {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}, "`next` of the former page.")
    needed = _query("match", {**_SELECTOR, "minLength": 1}, "Selector of what to delete; {} means all.", True)
    confirm = _query(
        "confirm", {"enum": ["true", "false"], "default": "false"}, "true deletes; otherwise only tells what would go."
    )
    return {
        "get": _operation(
            "listSeries", "Series and their state.", _ok("A page.", "SeriesPage"), params=(match, state, order, _LIMIT, after)
        ),
        "delete": _operation(
            "deleteSeries", "Delete series for good.", _ok("What went or would go.", "Deleted"), (503,), params=(needed, confirm)
        ),
    }


def _incidents() -> Json:
    state = _query("state", {"enum": ["open", "resolved", "all"], "default": "all"}, "Which ones.")
    after = _query("after", {"type": "string"}, "`next` of the former page.")
    return {
        "get": _operation(
            "listIncidents", "Incidents, newest first.", _ok("A page.", "Incidents"), params=(state, _START, _END, _LIMIT, after)
        )
    }


def _state() -> Json:
    file = {"200": {"description": "A tar.", "content": {"application/x-tar": {"schema": {"type": "string", "format": "binary"}}}}}
    history = _query("history", {"enum": ["true", "false"], "default": "true"}, "false leaves out sealed samples.")
    return _operation("exportState", "Everything, for `awry state import`.", file, (429, 503), params=[history])


def document(version: str) -> Json:
    """The whole document."""
    rule, silence = _json("RuleIn"), _json("SilenceIn")
    paths = {
        "/api/v1/samples": _samples(),
        "/api/v1/forecast": _forecast(),
        "/api/v1/write": _write(),
        "/api/v1/series": _series(),
        "/api/v1/incidents": _incidents(),
        "/api/v1/incidents/{id}": {
            "get": _operation(
                "getIncident", "One incident with its changes.", _ok("It.", "IncidentWithChanges"), (404,), params=[_path("id")]
            )
        },
        "/api/v1/rules": {
            "get": _operation("listRules", "All rules.", _ok("All.", "Rules")),
            "post": _operation("createRule", "Create a rule.", _ok("Created.", "Rule", 201), _WRITE, rule),
        },
        "/api/v1/rules/validate": {
            "post": _operation(
                "validateRule", "Check a rule without keeping it.", _ok("The verdict.", "Verdict"), (408, 413), _json("Anything")
            )
        },
        "/api/v1/rules/dry-run": {
            "post": _operation(
                "dryRunRule",
                "Try a rule over stored scores.",
                _ok("What it would have done.", "DryRun"),
                (408, 413),
                _json("DryRunIn"),
            )
        },
        "/api/v1/rules/{name}": {
            "get": _operation("getRule", "One rule.", _ok("It.", "Rule"), (404,), params=[_path("name")]),
            "put": _operation(
                "putRule",
                "Create or change a rule.",
                _ok("Changed.", "Rule") | _ok("Created.", "Rule", 201),
                _WRITE,
                _json("RuleOfAnyName"),
                [_path("name")],
            ),
            "delete": _operation("deleteRule", "Delete a rule.", _empty("Gone."), (404, 409, 503), params=[_path("name")]),
        },
        "/api/v1/silences": {
            "get": _operation("listSilences", "All silences.", _ok("All.", "Silences")),
            "post": _operation("createSilence", "Create a silence.", _ok("Created.", "Silence", 201), _WRITE, silence),
        },
        "/api/v1/silences/{id}": {
            "get": _operation("getSilence", "One silence.", _ok("It.", "Silence"), (404,), params=[_path("id")]),
            "put": _operation("putSilence", "Change a silence.", _ok("Changed.", "Silence"), _WRITE, silence, [_path("id")]),
            "delete": _operation("deleteSilence", "Delete a silence.", _empty("Gone."), (404, 503), params=[_path("id")]),
        },
        "/api/v1/state": {"get": _state()},
        "/api/v1/status": {"get": _operation("getStatus", "How the server is doing.", _ok("It.", "Status"))},
        "/healthz": {"get": _operation("alive", "The process works.", _ok("Yes.", "Word"), (503,))},
        "/readyz": {"get": _operation("ready", "Samples can be taken.", _ok("Yes.", "Word"), (503,))},
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Awry",
            "version": version,
            "description": "Times are Unix milliseconds; NaN is null.",
            "license": {"name": "Apache-2.0"},
        },
        "paths": paths,
        "components": {"schemas": SCHEMAS, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
        "security": [{"token": []}, {}],
    }
