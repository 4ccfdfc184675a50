"""The other doors of a running server (remote-write, Graphite), the list of series, probes, metrics, status."""

from __future__ import annotations

import socket
import time

from tests.server.live import Live
from tests.server.remote_write import HEADERS, request
from tests.serving import wait_for

NOW = int(time.time() * 1000) - 60_000


def listed(live: Live, **params: str | int) -> list[str]:
    answer = live.client.get("/api/v1/series", params=params)
    assert 200 == answer.status_code, answer.text
    return [s["key"] for s in answer.json()["series"]]


def test_remote_write(live: Live) -> None:
    """204 after the commit with the counts of 2.0; a repeated send is 204 too; bad samples are 400 and cost the others nothing."""
    labels = {"__name__": "up", "job": "node"}
    body = request([(labels, [(NOW, 1.0), (NOW + 1000, 0.0)])])
    first = live.client.post("/api/v1/write", content=body, headers=HEADERS)
    again = live.client.post("/api/v1/write", content=body, headers=HEADERS)
    bad = live.client.post(
        "/api/v1/write", content=request([({"job": "x"}, [(NOW, 1.0)]), (labels, [(NOW + 2000, 1.0)])]), headers=HEADERS
    )
    assert [204, 204, 400] == [first.status_code, again.status_code, bad.status_code]
    written = [r.headers["x-prometheus-remote-write-samples-written"] for r in (first, again, bad)]
    assert ["2", "0", "1"] == written
    assert "1 missing_name" in bad.json()["error"]["message"]
    found = live.client.get("/api/v1/samples", params={"series": 'up{job="node"}'}).json()
    assert [1.0, 0.0, 1.0] == found["value"]


def test_graphite_over_tcp_and_udp(live: Live) -> None:
    """Both listeners have the same port, and their lines arrive."""
    seconds = NOW // 1000
    with socket.create_connection(live.graphite) as tcp:
        tcp.sendall(f"g.tcp 1 {seconds}\ng.tags;host=a 2 {seconds}".encode())
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.sendto(f"g.udp 3 {seconds}\n".encode(), live.graphite)
    wait_for("three series", lambda: len(listed(live, match="g.*")) == 3)
    assert ['g.tags{host="a"}', "g.tcp", "g.udp"] == sorted(listed(live, match="g.*"))


def test_series_are_searched_paged_and_ordered(live: Live) -> None:
    """Selectors, states and pages; every series comes once."""
    live.send([(f'page{{n="{i}",odd="{i % 2}"}}', NOW, float(i)) for i in range(25)])
    wait_for("the snapshot", lambda: len(listed(live, match="page")) == 25)
    pages, after = [], ""
    while True:
        answer = live.client.get(
            "/api/v1/series", params={"match": 'page{odd="1"}', "limit": 5, **({"after": after} if after else {})}
        ).json()
        pages += [s["key"] for s in answer["series"]]
        after = answer["next"]
        if after is None:
            break
    assert [f'page{{n="{i}",odd="1"}}' for i in range(1, 25, 2)] == pages
    assert ['page{n="3",odd="1"}'] == listed(live, match='page{n=~"[3]"}')
    assert 25 == len(listed(live, match="page", state="warming"))
    assert [] == listed(live, match="page", state="parked")
    assert 3 == len(listed(live, match="page", order="score", limit=3))
    for bad in ({"match": "a{"}, {"limit": 0}, {"limit": 1001}, {"limit": "x"}, {"after": "x"}, {"state": "odd"}):
        assert 400 == live.client.get("/api/v1/series", params=bad).status_code


def test_series_are_deleted_after_a_dry_run(live: Live) -> None:
    """Without confirm nothing goes; with it they are gone, and may come again as new ones."""
    live.send([(f'gone{{n="{i}"}}', NOW, 1.0) for i in range(3)])
    wait_for("the snapshot", lambda: len(listed(live, match="gone")) == 3)
    dry = live.client.delete("/api/v1/series", params={"match": "gone"}).json()
    assert (False, 3, 3) == (dry["deleted"], dry["count"], len(listed(live, match="gone")))
    sure = live.client.delete("/api/v1/series", params={"match": "gone", "confirm": "true"}).json()
    assert (True, 3) == (sure["deleted"], sure["count"])
    assert [] == listed(live, match="gone")
    assert 404 == live.client.get("/api/v1/samples", params={"series": 'gone{n="1"}'}).status_code
    assert 1 == live.send([('gone{n="1"}', NOW, 2.0)])["accepted"]
    assert [2.0] == live.client.get("/api/v1/samples", params={"series": 'gone{n="1"}'}).json()["value"]
    for bad in ({}, {"match": ""}, {"match": "a", "confirm": "perhaps"}):
        assert 400 == live.client.delete("/api/v1/series", params=bad).status_code


def test_every_error_has_one_shape(live: Live) -> None:
    """Unknown addresses and wrong methods too; 405 lists what is possible."""
    missing, method = live.client.get("/api/v1/nothing"), live.client.patch("/api/v1/rules")
    assert [404, 405] == [missing.status_code, method.status_code]
    assert {"GET", "HEAD", "POST"} == set(method.headers["allow"].split(", "))
    for answer in (missing, method, live.client.get("/api/v1/incidents/none"), live.client.get("/api/v1/incidents?state=odd")):
        assert {"code", "message", "hint"} == set(answer.json()["error"])


def test_metrics_are_openmetrics(live: Live) -> None:
    """The text parses line by line, ends with EOF, and says what the status says."""
    live.send([("metrics", NOW, 1.0), ("metrics", 0, 1.0)])
    answer = live.client.get("/metrics")
    lines = answer.text.splitlines()
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert "# EOF" == lines[-1]
    values = {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}
    source = next(s for s in live.client.get("/api/v1/status").json()["sources"] if s["name"] == "json")
    assert source["accepted"] == values['awry_samples_accepted_total{source="json"}']
    assert source["refused"]["out_of_range"] == values['awry_samples_refused_total{source="json",reason="out_of_range"}']
    assert 1 == values["awry_store_up"]


def test_a_name_with_quotes_is_escaped_in_metrics() -> None:
    """Label values are escaped as OpenMetrics asks."""
    from awry.server.metrics import _labels

    assert '{a="b\\"c\\\\d\\ne"}' == _labels({"a": 'b"c\\d\ne'})
