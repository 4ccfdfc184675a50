"""The Influx doors as InfluxDB's clients see them: stored once answered, partial writes, tokens, precision, gzip, a real client."""

from __future__ import annotations

import base64
import gzip

import httpx
import pytest
from influxdb_client import InfluxDBClient, Point, WritePrecision
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException

from tests.server.live import READ, WRITE, Live

NOW_S = 1_700_000_000
TELEGRAF = b"""cpu,cpu=cpu-total,host=web-1 usage_idle=97.5,usage_user=1.25,usage_system=1.25 1700000000000000000
mem,host=web-1 available=8123456789i,available_percent=48.1 1700000000000000000
disk,device=sda1,fstype=ext4,host=web-1,mode=rw,path=/ free=12345i,inodes_used=99u 1700000000000000000
systemd_units,host=web-1,load=loaded,name=ssh.service load_code=0i,active_code=0i,sub="running" 1700000000000000000
http_response,host=web-1,server=http://a.example/?q\\=1 http_response_code=200i,response_time=0.002,up=true 1700000000000000000
"""
"""Lines as telegraf's outputs.influxdb writes them."""


def stored(live: Live, key: str) -> tuple[list[int], list[float]]:
    answer = live.client.get("/api/v1/samples", params={"series": key, "start": 0, "end": 4_000_000_000_000}).json()
    return answer["time"], answer["value"]


@pytest.mark.parametrize("path", ["/write?db=telegraf", "/api/v2/write?bucket=telegraf&org=awry"])
def test_lines_of_telegraf(live: Live, path: str) -> None:
    """Answered 204 with nothing in it, once all numbers are stored; gzip, too. Text is no fault; a repeated send neither."""
    assert (204, b"") == ((answer := live.client.post(path, content=TELEGRAF)).status_code, answer.content)
    packed = live.client.post(path, content=gzip.compress(TELEGRAF), headers={"Content-Encoding": "gzip"})
    assert 204 == packed.status_code
    assert ([NOW_S * 1000], [97.5]) == stored(live, 'cpu_usage_idle{cpu="cpu-total",host="web-1"}')
    assert ([NOW_S * 1000], [1.0]) == stored(live, 'http_response_up{host="web-1",server="http://a.example/?q=1"}')
    assert 1 <= live.app.engine.counters.of("influx").refused["text_field"]


@pytest.mark.parametrize(("precision", "time"), [("s", NOW_S), ("ms", NOW_S * 1000), ("us", NOW_S * 10**6), ("ns", NOW_S * 10**9)])
def test_precision(live: Live, precision: str, time: int) -> None:
    """The parameter says what the numbers mean; an unknown one is refused whole."""
    body = b"precise,in=%s value=1 %d" % (precision.encode(), time)
    assert 204 == live.client.post("/write", params={"precision": precision}, content=body).status_code
    assert ([NOW_S * 1000], [1.0]) == stored(live, f'precise{{in="{precision}"}}')
    assert 400 == live.client.post("/write", params={"precision": "y"}, content=body).status_code


def test_a_partial_write(live: Live) -> None:
    """400 in InfluxDB's words with the number dropped; the rest is stored."""
    body = b"partial value=1 1700000000000000000\nbroken\npartial,x= value=2\nfar value=1 1900000000000000000000\n"
    first = live.client.post("/write?db=x", content=body)
    assert (400, ["error"]) == (first.status_code, list(first.json()))
    assert first.json()["error"].startswith("partial write: 1 stored, refused 1 bad_key, 1 malformed, 1 out_of_range dropped=3")
    assert first.json()["error"] in first.headers["x-influxdb-error"]
    second = live.client.post("/api/v2/write", content=body.replace(b"partial", b"partial2"))
    assert (400, "invalid") == (second.status_code, second.json()["code"])
    assert "dropped=3" in second.json()["message"]
    assert ([NOW_S * 1000], [1.0]) == stored(live, "partial")
    assert ([NOW_S * 1000], [1.0]) == stored(live, "partial2")


def test_bad_bodies(live: Live) -> None:
    """Refused in the same shape, counted under their source."""
    for headers, body, status in (
        ({"Content-Encoding": "gzip"}, b"no gzip", 400),
        ({"Content-Encoding": "br"}, b"", 415),
        ({}, b"a" * (33 << 20), 413),
    ):
        answer = live.client.post("/write", content=body, headers=headers)
        assert (status, str) == (answer.status_code, type(answer.json()["error"]))
    assert {"unsupported_media_type", "too_large"} <= set(live.app.engine.counters.of("influx").refused)


def test_what_senders_ask_first(live: Live) -> None:
    """/ping and the making of a database are answered; other questions are not."""
    for answer in (live.client.get("/ping"), live.client.head("/ping?verbose=true")):
        assert (204, "1.8.10") == (answer.status_code, answer.headers["x-influxdb-version"])
    for answer in (
        live.client.post("/query", data={"q": 'CREATE DATABASE "telegraf"'}),
        live.client.post("/query", params={"q": 'CREATE DATABASE "telegraf"'}),
        live.client.get("/query", params={"q": "create database telegraf", "db": "x"}),
    ):
        assert (200, {"results": [{"statement_id": 0}]}) == (answer.status_code, answer.json())
    other = live.client.post("/query", params={"q": "DROP DATABASE telegraf"})
    assert (400, True) == (other.status_code, "only CREATE DATABASE" in other.json()["error"])


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"telegraf:{password}".encode()).decode()}


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/write", {}, 401),
        ("/write?u=x&p=wrong", {}, 401),
        (f"/write?u=x&p={WRITE}", {}, 204),
        (f"/write?u=x&p={READ}", {}, 403),
        ("/write", basic(WRITE), 204),
        ("/write", basic("wrong"), 401),
        ("/write", {"Authorization": "Basic ?"}, 401),
        ("/api/v2/write", {"Authorization": f"Token {WRITE}"}, 204),
        ("/api/v2/write", {"Authorization": f"Token user:{WRITE}"}, 204),
        ("/api/v2/write", {"Authorization": f"Bearer {WRITE}"}, 204),
        ("/api/v2/write", {"Authorization": f"Token {READ}"}, 403),
        ("/api/v2/write", {"Authorization": "Token wrong"}, 401),
        ("/api/v2/write", {"Authorization": f"Digest {WRITE}"}, 401),
        (f"/api/v1/samples?p={WRITE}", {}, 401),
        ("/api/v1/samples", basic(WRITE), 401),
        ("/api/v1/samples", {"Authorization": f"Token {WRITE}"}, 401),
    ],
)
def test_tokens(guarded: Live, path: str, headers: dict[str, str], status: int) -> None:
    """As InfluxDB's clients show them, at these addresses only; /ping needs none."""
    assert status == guarded.client.post(path, content=b"a value=1", headers=headers).status_code
    assert 204 == guarded.client.get("/ping").status_code


def test_the_client_of_influxdb_2(guarded: Live) -> None:
    """InfluxData's own package writes points of every field type, gzipped or not; it is told of partial writes and wrong tokens."""
    point = (
        Point("boat").tag("crew", "a b,c=d").field("knots", 7.5).field("sails", 3).field("home", True).field("log", 'all "well"')
    )
    for packed in (False, True):
        with InfluxDBClient(guarded.url, WRITE, org="awry", enable_gzip=packed) as client, client.write_api(SYNCHRONOUS) as api:
            api.write("bucket", record=point.time(NOW_S + packed, WritePrecision.S))
    headers = {"Authorization": f"Bearer {READ}"}
    for field, value in (("knots", 7.5), ("sails", 3.0), ("home", 1.0)):
        params = {"series": f'boat_{field}{{crew="a b,c=d"}}', "start": 0, "end": 4_000_000_000_000}
        answer = guarded.client.get("/api/v1/samples", params=params, headers=headers).json()
        assert ([NOW_S * 1000, NOW_S * 1000 + 1000], [value] * 2) == (answer["time"], answer["value"])
    with InfluxDBClient(guarded.url, WRITE, org="awry") as client, client.write_api(SYNCHRONOUS) as api:
        with pytest.raises(ApiException) as caught:
            api.write("bucket", record="no line")
        assert (400, True) == (caught.value.status, "dropped=1" in str(caught.value.body))
    with InfluxDBClient(guarded.url, "wrong", org="awry") as client, client.write_api(SYNCHRONOUS) as api:
        with pytest.raises((ApiException, InfluxDBError)) as refused:
            api.write("bucket", record="a f=1")
        assert 401 == refused.value.status if isinstance(refused.value, ApiException) else True


def test_a_full_queue_says_when_to_come_back(live: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    """429 with Retry-After, in InfluxDB's shape, and nothing is stored."""
    from awry.core.errors import Overloaded

    def full(*_: object, **__: object) -> None:
        raise Overloaded("cannot take more samples: the queue is full", after_seconds=2)

    monkeypatch.setattr(live.app.engine, "put_nowait", full)
    answer: httpx.Response = live.client.post("/write", content=b"never value=1")
    assert (429, "2") == (answer.status_code, answer.headers["retry-after"])
    assert "queue is full" in answer.json()["error"]
