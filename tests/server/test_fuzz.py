"""Bodies that nobody meant: whatever bytes arrive, the answer is a refusal or a receipt, never an error of ours."""

from __future__ import annotations

import gzip
import json
from typing import Any

import cramjam
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.server.live import Live
from tests.server.remote_write import request

FUZZ = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
KEYS = st.one_of(st.text(max_size=12), st.sampled_from(["a", 'a{b="c"}', 'a{b="c",b="d"}', "a{", "a\x00", "\ud800", "é" * 3000]))
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8),
    st.sampled_from([10**400, -1, 0, 1_767_268_800_000, 253_402_300_800_000, "2026-01-01T00:00:00Z", "9999-99-99", "1e400", "nan"]),
)  # fmt: skip
ANY = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3), max_leaves=6
)
ROWS = st.fixed_dictionaries({"series": KEYS | ANY, "time": ANY, "value": ANY})
BODIES = st.one_of(
    st.fixed_dictionaries({"samples": st.lists(ROWS | ANY, max_size=4)}),
    st.fixed_dictionaries(
        {"series": st.lists(KEYS | ANY, max_size=4) | KEYS, "time": st.lists(ANY, max_size=4), "value": st.lists(ANY, max_size=4)}
    ),
    ROWS,
    ANY,
)
LABELS = st.dictionaries(
    st.sampled_from(["__name__", "a", "b", "", "é"]), st.text(st.characters(exclude_categories=["Cs"]), max_size=8), max_size=4
)
SERIES = st.lists(st.tuples(LABELS, st.lists(st.tuples(st.integers(0, 2**64 - 1), st.floats()), max_size=3)), max_size=3)


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode()


def damage(body: bytes, at: int, byte: int, cut: int) -> bytes:
    """One byte changed and the end cut off, sometimes."""
    changed = bytearray(body)
    if changed:
        changed[at % len(changed)] = byte
    return bytes(changed[: len(changed) - cut % 7])


HARM = st.none() | st.tuples(st.integers(0, 10_000), st.integers(0, 255), st.integers(0, 100))


@FUZZ
@given(body=BODIES.map(as_json), harm=HARM, zipped=st.booleans(), lines=st.booleans())
def test_json(live: Live, body: bytes, harm: tuple[int, int, int] | None, zipped: bool, lines: bool) -> None:
    """Rows, columns and lines of anything, damaged before or after zipping."""
    body = damage(body, *harm) if harm else body
    headers = {"Content-Type": "application/x-ndjson" if lines else "application/json"}
    if zipped:
        body, headers = damage(gzip.compress(body, mtime=0), *(harm or (0, 31, 0))), headers | {"Content-Encoding": "gzip"}
    answer = live.client.post("/api/v1/samples", content=body, headers=headers)
    assert answer.status_code in (200, 400), answer.text
    assert ({"error"} if answer.status_code == 400 else {"accepted", "refused"}) <= set(answer.json())


@FUZZ
@given(series=SERIES, harm=HARM, inside=st.booleans(), version=st.sampled_from(["", ";proto=io.prometheus.write.v2.Request"]))
def test_remote_write(live: Live, series: Any, harm: tuple[int, int, int] | None, inside: bool, version: str) -> None:
    """Messages of anything, damaged before or after compressing, and read as either version."""
    body = request(series)
    if harm and inside:
        body = bytes(cramjam.snappy.compress_raw(damage(bytes(cramjam.snappy.decompress_raw(body)), *harm)))
    elif harm:
        body = damage(body, *harm)
    headers = {"Content-Encoding": "snappy", "Content-Type": "application/x-protobuf" + version}
    answer = live.client.post("/api/v1/write", content=body, headers=headers)
    assert answer.status_code in (204, 400, 413), answer.text


@FUZZ
@given(
    body=st.binary(max_size=200), path=st.sampled_from(["samples", "write", "rules", "silences", "rules/dry-run", "rules/validate"])
)
def test_bytes(live: Live, body: bytes, path: str) -> None:
    """Plain noise at every door that takes a body; a zero is an empty message of remote-write."""
    assert live.client.post(f"/api/v1/{path}", content=body).status_code < 500, path


@FUZZ
@given(
    name=st.sampled_from(["samples", "series", "incidents"]),
    query=st.dictionaries(
        st.sampled_from(["series", "match", "start", "end", "points", "limit", "after", "state", "order"]),
        st.text(max_size=8) | st.sampled_from(["0", "5", "a", "{}", "\x00", "2026-01-01T00:00:00Z", "open", "9" * 18]),
        max_size=4,
    ),
)
def test_queries(live: Live, name: str, query: dict[str, str]) -> None:
    """Parameters of anything."""
    try:
        answer = live.client.get(f"/api/v1/{name}", params=query)
    except UnicodeEncodeError:  # no client can write a lone surrogate into an address
        return
    assert answer.status_code in (200, 400, 404), answer.text
