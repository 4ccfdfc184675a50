"""Questions to the API that cannot be answered: each is told what to do, in the one shape of errors."""

from __future__ import annotations

import pytest

from tests.server.live import Live


@pytest.mark.parametrize(
    ("method", "address", "status", "words"),
    [
        ("GET", "/api/v1/samples", 400, "'series'"),
        ("GET", "/api/v1/samples?series=none", 404, "'none'"),
        ("GET", "/api/v1/samples?series=a{", 400, "closing brace"),
        ("GET", "/api/v1/samples?series=a&strat=1", 400, "'strat'"),
        ("GET", "/api/v1/samples?series=a&points=0", 400, "points"),
        ("GET", "/api/v1/samples?series=a&points=x", 400, "points"),
        ("GET", "/api/v1/samples?series=a&start=5&end=5", 400, "empty"),
        ("GET", "/api/v1/samples?series=a&start=tomorrow", 400, "start"),
        ("GET", "/api/v1/series?limit=0", 400, "limit"),
        ("GET", "/api/v1/series?limit=1001", 400, "limit"),
        ("GET", "/api/v1/series?after=x", 400, "after"),
        ("GET", "/api/v1/series?match={a=~%22(%22}", 400, "regular expression"),
        ("GET", "/api/v1/series?selector=a", 400, "'selector'"),
        ("GET", "/api/v1/incidents?state=odd", 400, "state"),
        ("GET", "/api/v1/incidents?start=2026-01-01T00:00:00Z&end=2025-01-01T00:00:00Z", 400, "empty"),
        ("GET", "/api/v1/incidents?after=x", 400, "mark of a page"),
        ("GET", "/api/v1/incidents/none", 404, "'none'"),
        ("GET", "/api/v1/status?verbose=1", 400, "'verbose'"),
        ("DELETE", "/api/v1/series", 400, "'match'"),
        ("DELETE", "/api/v1/series?match=a&sure=true", 400, "'sure'"),
        ("GET", "/api/v1/none", 404, "/api/v1/none"),
        ("GET", "/api/v1/write", 405, "method"),
        ("POST", "/api/v1/samples", 400, "no JSON"),
        ("POST", "/api/v1/write", 400, "snappy"),
        ("POST", "/api/v1/rules", 400, "JSON"),
    ],
)
def test_every_refusal_says_what_to_do(live: Live, method: str, address: str, status: int, words: str) -> None:
    """The status, the cause in the message, and a hint."""
    answer = live.client.request(method, address)
    assert (status, "application/json") == (answer.status_code, answer.headers["content-type"])
    error = answer.json()["error"]
    assert {"code", "message", "hint"} == set(error)
    assert words in error["message"]
    assert error["hint"]


def test_times_as_people_write_them(live: Live) -> None:
    """Unix ms and RFC 3339 with any zone are the same moment; [start, end) leaves the end out."""
    noon = 1_767_268_800_000  # 2026-01-01T12:00:00Z
    live.send([("rfc", noon, 1.0), ("rfc", "2026-01-01T13:00:01+01:00", 2.0), ("rfc", noon + 2000, 3.0)])
    for start, end in [
        (str(noon), str(noon + 2000)),
        ("2026-01-01T12:00:00Z", "2026-01-01T12:00:02Z"),
        ("2026-01-01T14:00:00+02:00", "2026-01-01T07:00:02.000-05:00"),
    ]:
        answer = live.client.get("/api/v1/samples", params={"series": "rfc", "start": start, "end": end}).json()
        assert ([noon, noon + 1000], [1.0, 2.0]) == (answer["time"], answer["value"])
