"""Samples in and out: rows, columns, lines, refusals, duplicates, ranges."""

from __future__ import annotations

import gzip
import json
import time
from typing import Any

import numpy as np
import pytest

from tests.server.live import Live

NOW = int(time.time() * 1000) - 60_000


def reasons(answer: dict[str, Any]) -> list[tuple[int, str]]:
    return [(r["index"], r["reason"]) for r in answer["refused"]]


def read(live: Live, key: str, **params: Any) -> dict[str, Any]:
    answer = live.client.get("/api/v1/samples", params={"series": key, **params})
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_rows_are_stored_when_answered(live: Live) -> None:
    """What was acknowledged can be read at once, whatever order its labels had."""
    assert {"accepted": 2, "refused": []} == live.send([('r{b="2",a="1"}', NOW, 1.5), ('r{a="1",b="2"}', NOW + 1000, None)])
    found = read(live, 'r{b="2", a="1"}')
    assert ('r{a="1",b="2"}', [NOW, NOW + 1000], [1.5, None]) == (found["series"], found["time"], found["value"])
    assert all(2 == len(found[column]) for column in ("expected", "low", "high", "raw", "score", "segment"))


@pytest.mark.parametrize("kind", ["columns", "ndjson", "gzip"])
def test_other_bodies(live: Live, kind: str) -> None:
    """Columns, one row a line, and gzip give the same."""
    key = f"body_{kind}"
    body = json.dumps({"series": [key, key], "time": [NOW, NOW + 1000], "value": [1, 2]}).encode()
    headers = {"Content-Type": "application/json"}
    if kind == "ndjson":
        body = b"".join(json.dumps({"series": key, "time": NOW + i * 1000, "value": i + 1}).encode() + b"\n" for i in range(2))
        headers = {"Content-Type": "application/x-ndjson"}
    if kind == "gzip":
        body, headers = gzip.compress(body), headers | {"Content-Encoding": "gzip"}
    answer = live.client.post("/api/v1/samples", content=body, headers=headers)
    assert {"accepted": 2, "refused": []} == {name: answer.json()[name] for name in ("accepted", "refused")}
    assert [1.0, 2.0] == read(live, key)["value"]


def test_bad_rows_cost_their_neighbours_nothing(live: Live) -> None:
    """Every refusal has the index of its row and a reason; the rest is stored."""
    far = 253_402_300_799_999
    rows: list[tuple[str, Any, Any]] = [
        ("neighbour_ok", NOW, 1.0),
        ("neighbour_ok", 0, 1.0),
        ("neighbour_ok", far, 1.0),
        ("", NOW, 1.0),
        ("k" * 65_536, NOW, 1.0),
        ('d{a="1",a="2"}', NOW, 1.0),
        ("neighbour_ok", "yesterday", 1.0),
        ("neighbour_ok", NOW + 1000, "x"),
        ("neighbour_big", NOW, 1e308),
        ("neighbour_ok", NOW, 1.0),
        ("neighbour_inf", NOW, "inf"),
        ("neighbour_fine", NOW, 2.0),
    ]
    answer = live.send(rows)
    assert [
        (1, "out_of_range"),
        (2, "future"),
        (3, "bad_key"),
        (4, "bad_key"),
        (5, "bad_key"),
        (6, "bad_time"),
        (7, "bad_value"),
        (9, "duplicate"),
        (10, "infinite"),
    ] == reasons(answer)
    assert 3 == answer["accepted"]


def test_a_retry_after_a_lost_answer_is_harmless(live: Live) -> None:
    """Samples sent twice are duplicates, also older ones; a different value at a stored time is late."""
    rows = [("retry", NOW + i * 1000, float(i)) for i in range(5)]
    live.send(rows)
    again = live.send(rows)
    assert (0, [(i, "duplicate") for i in range(5)]) == (again["accepted"], reasons(again))
    assert [(0, "late")] == reasons(live.send([("retry", NOW + 1000, 99.0)]))
    assert [0.0, 1.0, 2.0, 3.0, 4.0] == read(live, "retry")["value"]


def test_ranges_are_half_open_and_take_rfc_3339(live: Live) -> None:
    """[start, end) in milliseconds or RFC 3339."""
    start = 1_700_000_000_000
    live.send([("range", start + i * 1000, float(i)) for i in range(10)])
    assert [2.0, 3.0] == read(live, "range", start=start + 2000, end=start + 4000)["value"]
    assert [0.0, 1.0] == read(live, "range", start="2023-11-14T22:13:20Z", end="2023-11-14T23:13:22+01:00")["value"]


def test_points_keep_extremes(live: Live) -> None:
    """A thousand samples thinned to thirty still have their peak and trough at their real times."""
    values = [float(i % 7) for i in range(1000)]
    values[333], values[777] = 1e6, -1e6
    live.send([("thin", NOW - 1_000_000 + i * 1000, v) for i, v in enumerate(values)])
    found = read(live, "thin", points=30)
    assert len(found["time"]) <= 30
    pairs = dict(zip(found["time"], found["value"], strict=True))
    assert (1e6, -1e6) == (pairs[NOW - 1_000_000 + 333_000], pairs[NOW - 1_000_000 + 777_000])


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"series": "nobody"}, 404),
        ({"series": "ok{"}, 400),
        ({"series": "ok", "points": "0"}, 400),
        ({"series": "ok", "start": "5", "end": "5"}, 400),
        ({"series": "ok", "start": "soon"}, 400),
        ({"series": "ok", "end": "-5"}, 400),
    ],
)
def test_bad_questions(live: Live, params: dict[str, str], status: int) -> None:
    """Each is refused in the one error shape with a hint or a cause."""
    live.send([("ok", NOW, 1.0)])
    answer = live.client.get("/api/v1/samples", params=params)
    assert status == answer.status_code
    assert answer.json()["error"]["message"].startswith("cannot ")


def test_a_strange_sample_says_why(live: Live) -> None:
    """The component in words with the numbers, where the score is telling; null elsewhere."""
    values = [float(v) for v in np.round(50 + np.random.default_rng(5).normal(0, 1, 600), 3)]
    values[590] = 93.0
    live.send([("said_percent", NOW - (600 - i) * 1000, value) for i, value in enumerate(values)])
    answer = read(live, "said_percent")
    why, score = answer["why"], answer["score"]
    assert len(values) == len(why) == len(answer["part"])
    assert why[590].startswith(("is 93 %", "jumped to 93 %"))
    assert "(expected " in why[590]
    assert [s is not None and s >= 0.2 for s in score] == [text is not None for text in why]
