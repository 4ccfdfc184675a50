"""Bad input by every door: refused with a reason and a counter, at no cost to what comes beside it or after it."""

from __future__ import annotations

import gzip
import json
import math
import random
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import cramjam
import httpx
import pytest

from awry.server.settings import LimitSection
from tests.server.live import Live
from tests.server.remote_write import HEADERS, request
from tests.serving import wait_for

NOW = int(time.time() * 1000) - 60_000
YEAR_9999 = 253_400_000_000_000
LONG = "y" * 65_536
VALUES = {"nan": math.nan, "huge": 1e308, "infinite": math.inf, "minus_infinite": -math.inf}
TIMES = {"y1970": 1000, "y9999": YEAR_9999}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Live]:
    """A server nobody else uses."""
    with Live(tmp_path, limits=LimitSection(decompressed_bytes=1_000_000, new_series_per_minute=100)) as live:
        yield live


def refused(live: Live, source: str) -> dict[str, int]:
    """What the status counts, which the metrics must count as well."""
    found = next(s for s in live.client.get("/api/v1/status").json()["sources"] if s["name"] == source)
    metrics = live.client.get("/metrics").text
    for reason, n in found["refused"].items():
        assert f'awry_samples_refused_total{{source="{source}",reason="{reason}"}} {n}\n' in metrics
    counts: dict[str, int] = found["refused"]
    return counts


def keys(live: Live) -> set[str]:
    return {s["key"] for s in live.client.get("/api/v1/series", params={"limit": 1000}).json()["series"]}


def values(live: Live, series: str) -> list[float]:
    found: list[float] = live.client.get("/api/v1/samples", params={"series": series}).json().get("value", [])
    return found


def test_graphite(fresh: Live) -> None:
    """Lines: whatever is broken, the good ones on both sides of it are stored; also a line of 10 MB."""
    now = NOW // 1000
    bad = [
        b"broken",
        b"a 1",
        b"a x 1",
        b"a\xff 1 %d" % now,
        b"a;b 1 %d" % now,
        b"a;b= 1 %d" % now,
        b"a;b=1;b=2 1 %d" % now,
        b"a 1e 5",
    ]
    bad += [b"big;l=" + LONG.encode() + b" 1 %d" % now, b"q" * 10_000_000]
    bad += [b"%s 1 %d" % (name.encode(), t // 1000) for name, t in TIMES.items()]
    odd = [b"%s %r %d" % (name.encode(), value, now) for name, value in VALUES.items()]
    lines = [b"first 1 %d" % now, *bad, *odd, b"last 1 %d" % now]
    with socket.create_connection(fresh.graphite) as tcp:
        tcp.sendall(b"\n".join(lines))
    wait_for("the last line", lambda: "last" in keys(fresh), seconds=20)
    assert {"first", "nan", "huge", "last"} == keys(fresh)
    expected = {"malformed": 4, "not_utf8": 1, "bad_key": 3, "too_long": 2, "out_of_range": 1, "future": 1, "infinite": 2}
    assert expected == refused(fresh, "graphite_tcp")


def test_remote_write(fresh: Live) -> None:
    """Messages: a bad series costs only itself, a bad body only the request; late is 400 and repeated is 204."""

    def post(body: bytes, **headers: str) -> int:
        return fresh.client.post("/api/v1/write", content=body, headers=HEADERS | headers).status_code

    good = [({"__name__": "good"}, [(NOW, 1.0), (NOW + 1000, 2.0)])]
    assert [204, 204] == [post(request(good)), post(request(good))]
    assert 400 == post(request([({"__name__": "good"}, [(NOW + 500, 1.0)]), ({"__name__": "beside"}, [(NOW, 1.0)])]))
    assert 400 == post(request([({"__name__": name}, [(NOW, value)]) for name, value in VALUES.items()]))
    assert 400 == post(request([({"__name__": name}, [(t, 1.0)]) for name, t in TIMES.items()]))
    assert 400 == post(request([({"__name__": "l", "a": LONG}, [(NOW, 1.0)]), ({"a": "b"}, [(NOW, 1.0)])]))
    whole = request(good)
    not_utf8 = bytes(cramjam.snappy.compress_raw(bytes(cramjam.snappy.decompress_raw(whole)).replace(b"good", b"go\xffd")))
    assert 400 == post(not_utf8)
    assert [400, 400] == [post(whole[: len(whole) // 2]), post(b"no snappy")]
    assert [413, 415] == [post(b"\xff\xff\xff\xff\x0f\x00"), post(whole, **{"Content-Encoding": "zstd"})]
    wait_for("the series", lambda: len(keys(fresh)) == 4, seconds=20)
    assert {"good", "beside", "nan", "huge"} == keys(fresh)
    expected = {"duplicate": 2, "late": 1, "infinite": 2, "out_of_range": 1, "future": 1, "too_long": 1, "missing_name": 1}
    bodies = {"not_utf8": 2, "invalid_input": 2, "too_large": 1, "unsupported_media_type": 1}
    assert expected | bodies == refused(fresh, "remote_write")


def test_json(fresh: Live) -> None:
    """Rows: as the lines; bodies that are none, or too large once unpacked, are counted too."""
    rows = [("first", NOW, 1.0)]
    rows += [(k, NOW, 1.0) for k in ("", "{}", "a{", "a{b=1}", 'a{b="1",b="2"}', f'a{{b="{LONG}"}}', "a\x00", "a\ud800")]
    rows += [(name, t, 1.0) for name, t in TIMES.items()] + [(name, NOW, v) for name, v in VALUES.items()] + [("last", NOW, 1.0)]
    body = json.dumps({"samples": [{"series": s, "time": t, "value": v} for s, t, v in rows]}).encode()
    answer = fresh.client.post("/api/v1/samples", content=body).json()
    reasons = ["bad_key"] * 8 + ["out_of_range", "future", "infinite", "infinite"]
    assert (4, reasons) == (answer["accepted"], [r["reason"] for r in answer["refused"]])
    zipped = {"Content-Encoding": "gzip"}
    bodies = [(b"{", {}), (b"\xff", {}), (gzip.compress(body)[:50], zipped), (gzip.compress(bytes(10**7)), zipped)]
    bodies += [(gzip.compress(bytes(10**7)), zipped | {"Content-Type": "application/x-ndjson"}), (b"", {"Content-Encoding": "br"})]
    statuses = [fresh.client.post("/api/v1/samples", content=content, headers=headers).status_code for content, headers in bodies]
    assert [400, 400, 400, 413, 413, 415] == statuses
    wait_for("the series", lambda: len(keys(fresh)) == 4, seconds=20)
    assert {"first", "nan", "huge", "last"} == keys(fresh)
    expected = {"bad_key": 8, "out_of_range": 1, "future": 1, "infinite": 2}
    assert expected | {"invalid_input": 3, "too_large": 2, "unsupported_media_type": 1} == refused(fresh, "json")


def test_too_many_new_series(fresh: Live) -> None:
    """By lines: beyond the limit they are refused, counted, and said on the page of the server's state; known series go on."""
    now = NOW // 1000
    with socket.create_connection(fresh.graphite) as tcp:
        tcp.sendall(b"".join(b"many.n%d 1 %d\n" % (i, now) for i in range(5000)) + b"many.n0 2 %d\n" % (now + 1))
    wait_for("the last line", lambda: 2.0 in values(fresh, "many.n0"), seconds=20)
    assert 5000 == len(keys(fresh)) + refused(fresh, "graphite_tcp")["series_limit"]
    assert [1.0, 2.0] == values(fresh, "many.n0")
    assert fresh.client.get("/api/v1/status").json()["series"]["refused_by_limit"] >= 4800


@pytest.mark.slow
@pytest.mark.parametrize("poison", [(1e308, 1e308), (1e308, -1e308), (-1e308, 1e-308), (None, None)])
def test_huge_values_poison_nothing(fresh: Live, poison: tuple[float | None, float | None]) -> None:
    """After a sample of 1e308 (or none) the series is judged again: later values have finite scores, and a fault is found."""
    noise, step = random.Random(1), 60_000
    start = NOW - 3000 * step
    sent: list[float | None] = [50 + noise.gauss(0, 1) for _ in range(3000)]
    sent[1000:1002] = poison
    sent[2900:2910] = [500.0] * 10
    body = {"series": "poisoned", "time": [start + i * step for i in range(3000)], "value": sent}
    answer: httpx.Response = fresh.client.post("/api/v1/samples", json=body)
    assert 3000 == answer.json()["accepted"]
    found = fresh.client.get("/api/v1/samples", params={"series": "poisoned", "start": start, "end": NOW}).json()
    assert list(poison) == found["value"][1000:1002]
    assert all(score is not None for score in found["score"][2000:])
    calm, fault = max(found["score"][2500:2899]), max(found["score"][2899:2911])
    assert fault > max(0.3, calm)
