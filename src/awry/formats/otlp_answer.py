"""Answers to OTLP requests, in protobuf or JSON: success, wholly or in part, and errors as google.rpc.Status; for both doors."""

from __future__ import annotations

import json

from awry.formats.protobuf import message, number

INVALID, EXHAUSTED, UNAVAILABLE, INTERNAL = 3, 8, 14, 13
"""Codes of google.rpc.Code."""
_RETRY_INFO = "type.googleapis.com/google.rpc.RetryInfo"


def success(rejected: int, text: str, *, as_json: bool = False) -> bytes:
    """ExportMetricsServiceResponse; it says nothing but for data points that were rejected, and why."""
    if as_json:
        partial = {"partialSuccess": {"rejectedDataPoints": str(rejected), "errorMessage": text}} if rejected else {}
        return json.dumps(partial, ensure_ascii=False).encode()
    return message(1, number(1, rejected) + message(2, text.encode())) if rejected else b""


def status(code: int, text: str, *, as_json: bool = False, retry_seconds: int = 0) -> bytes:
    """google.rpc.Status; with a RetryInfo when the request is to be sent again."""
    if as_json:
        return json.dumps({"code": code, "message": text}, ensure_ascii=False).encode()
    out = number(1, code) + message(2, text.encode())
    if retry_seconds:
        info = message(1, number(1, retry_seconds))
        out += message(3, message(1, _RETRY_INFO.encode()) + message(2, info))
    return out
