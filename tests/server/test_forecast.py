"""GET /api/v1/forecast: columns, limits, refusals, and that asking changes nothing."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from tests.server.live import Live
from tests.server.test_api_reference import sample

MINUTE = 60_000
ROWS = 1500
END = int(time.time() * 1000) // MINUTE * MINUTE - MINUTE


@pytest.fixture(scope="module")
def disk(live: Live) -> str:
    """A disk that fills by 0.6 % an hour, now at 80 %, with a small ripple."""
    values = [80 - 0.01 * (ROWS - 1 - i) + 0.02 * math.sin(i * 1.7) for i in range(ROWS)]
    live.send([('disk{host="a"}', END - (ROWS - 1 - i) * MINUTE, v) for i, v in enumerate(values)])
    return 'disk{host="a"}'


def ask(live: Live, key: str, **params: Any) -> dict[str, Any]:
    answer = live.client.get("/api/v1/forecast", params={"series": key, **params})
    assert 200 == answer.status_code, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_a_filling_disk_goes_on_filling(live: Live, disk: str) -> None:
    """The ramp is followed; half a day on it is where the line leads, and the band holds that."""
    found = ask(live, disk, horizon="12h", step="1h")
    assert ("ramp", END, 12) == (found["follows"], found["from"], len(found["time"]))
    assert [END + (i + 1) * 3_600_000 for i in range(12)] == found["time"]
    assert 87.2 == pytest.approx(found["expected"][-1], abs=0.5)
    assert found["low"][-1] < 87.2 < found["high"][-1]
    assert found["high"][0] - found["low"][0] < found["high"][-1] - found["low"][-1]
    assert 80.01 == pytest.approx(found["next"]["expected"], abs=0.1)
    assert END + MINUTE == found["next"]["time"]


def test_when_a_limit_is_reached(live: Live, disk: str) -> None:
    """Full at 95 % after 25 hours, give or take; the earliest and latest lie around it; beyond the horizon: null."""
    reaches = ask(live, disk, horizon="2d", reaches=95)["reaches"]
    assert 25 == pytest.approx((reaches["time"] - END) / 3_600_000, abs=2)
    assert reaches["earliest"] <= reaches["time"]
    assert reaches["latest"] is None or reaches["time"] <= reaches["latest"]
    assert {"limit": 95, "time": None, "earliest": None, "latest": None} == ask(live, disk, horizon="1h", reaches=95)["reaches"]
    assert ask(live, disk)["reaches"] is None


def test_the_band_is_narrower_with_less_confidence(live: Live, disk: str) -> None:
    """A band for 90 % of values lies within that for 99 %; points are at most 300 without a step."""
    wide, narrow = ask(live, disk, horizon="30d"), ask(live, disk, horizon="30d", confidence=90)
    assert len(wide["time"]) <= 300
    assert all(a <= b <= c <= d for a, b, c, d in zip(wide["low"], narrow["low"], narrow["high"], wide["high"], strict=True))


def test_asking_changes_nothing(live: Live, disk: str) -> None:
    """The same question has the same answer."""
    assert ask(live, disk, horizon="1d") == ask(live, disk, horizon="1d")


def test_the_documented_sample(live: Live, disk: str) -> None:
    """The sample object of the reference has the fields of an answer, no more and no fewer."""
    documented, answer = sample("forecast"), ask(live, disk, reaches=95)
    for part in ("", "next", "reaches"):
        one, other = (documented[part], answer[part]) if part else (documented, answer)
        assert list(one) == list(other)


@pytest.mark.parametrize(
    ("params", "status"),
    [
        ({}, 400),
        ({"series": "nobody_forecast"}, 404),
        ({"series": "disk{"}, 400),
        ({"series": 'disk{host="a"}', "horizon": "soon"}, 400),
        ({"series": 'disk{host="a"}', "horizon": "0"}, 400),
        ({"series": 'disk{host="a"}', "horizon": "20000d"}, 400),
        ({"series": 'disk{host="a"}', "horizon": "30d", "step": "1s"}, 400),
        ({"series": 'disk{host="a"}', "reaches": "full"}, 400),
        ({"series": 'disk{host="a"}', "reaches": "nan"}, 400),
        ({"series": 'disk{host="a"}', "confidence": "95"}, 400),
        ({"series": 'disk{host="a"}', "hours": "6"}, 400),
        ({"series": "young_forecast"}, 409),
    ],
)
def test_bad_questions(live: Live, disk: str, params: dict[str, str], status: int) -> None:
    """Each is refused in the one error shape; a series of ten samples is too young."""
    live.send([("young_forecast", END - (10 - i) * MINUTE, float(i)) for i in range(10)])
    answer = live.client.get("/api/v1/forecast", params=params)
    assert status == answer.status_code, answer.text
    assert answer.json()["error"]["message"].startswith("cannot ")
