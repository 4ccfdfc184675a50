"""Rules and silences over the API: made, changed, tried out, deleted, and refused with a reason."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from awry.core.rule import Rule
from awry.server.app import private_config
from tests.server.live import Live
from tests.serving import wait_for

NOW = int(time.time() * 1000)


def test_the_life_of_a_rule(live: Live) -> None:
    """Created, read, changed, listed, deleted; what is read can be sent back."""
    rule = {"name": "disk", "selector": 'disk{host=~"a.*"}', "threshold": 0.5, "for": "2m", "severity": "critical"}
    made = live.client.post("/api/v1/rules", json=rule)
    assert (201, "/api/v1/rules/disk", "api") == (made.status_code, made.headers["location"], made.json()["origin"])
    assert 409 == live.client.post("/api/v1/rules", json=rule).status_code
    read = live.client.get("/api/v1/rules/disk").json()
    del read["origin"]
    assert "2m" == read["for"]
    changed = live.client.put("/api/v1/rules/disk", json=read | {"threshold": None, "budget": "1 per 7d"})
    assert (200, "1 per 7d") == (changed.status_code, changed.json()["budget"])
    assert ["default", "disk"] == sorted(r["name"] for r in live.client.get("/api/v1/rules").json()["rules"])
    assert 204 == live.client.delete("/api/v1/rules/disk").status_code
    assert [404, 404] == [live.client.get("/api/v1/rules/disk").status_code, live.client.delete("/api/v1/rules/disk").status_code]


@pytest.mark.parametrize(
    "rule",
    [
        {"name": "x", "threshold": 0},
        {"name": "x", "threshold": 0.5, "clear": 0.6},
        {"name": "x", "budget": "often"},
        {"name": "x", "threshold": 0.5, "budget": "1 per 30d"},
        {"name": "", "threshold": 0.5},
        {"name": "a b"},
        {"name": "x", "for": "soon"},
        {"name": "x", "selector": 'a{b=~"("}'},
        {"name": "x", "severity": "bad"},
        {"name": "x", "notify": ["nobody"]},
        {"name": "x", "y": 1},
    ],
)
def test_bad_rules_are_refused_and_validate_says_the_same(live: Live, rule: dict[str, Any]) -> None:
    """400 with a cause on creation; `valid: false` with the same words on validation."""
    refused = live.client.post("/api/v1/rules", json=rule)
    verdict = live.client.post("/api/v1/rules/validate", json=rule)
    assert [400, 200] == [refused.status_code, verdict.status_code]
    assert verdict.json()["valid"] is False
    assert refused.json()["error"]["message"] == verdict.json()["error"]["message"]


def test_rules_of_the_config_file_stand_there(tmp_path: Path) -> None:
    """They are listed with their origin and cannot be changed over the API."""
    config = private_config(tmp_path)
    with Live(tmp_path, rules=(Rule(name="cpu", threshold=0.4, origin="config"),), server=config.server) as live:
        assert "config" == live.client.get("/api/v1/rules/cpu").json()["origin"]
        assert [409, 409] == [
            live.client.put("/api/v1/rules/cpu", json={"name": "cpu", "threshold": 0.5}).status_code,
            live.client.delete("/api/v1/rules/cpu").status_code,
        ]


def test_a_dry_run_counts_what_would_have_opened(live: Live) -> None:
    """A level shift in stored samples opens one incident for a low threshold and none for the highest."""
    start = NOW - 600_000_000 % 86_400_000
    values = [10.0 + (i * 7919 % 13) / 10 for i in range(1500)]
    values[1400:1420] = [500.0] * 20
    live.send([('dry{host="a"}', start - 1_500 * 60_000 + i * 60_000, v) for i, v in enumerate(values)])
    # the snapshot that names new series is published once a second
    wait_for("the series", lambda: live.client.get("/api/v1/series", params={"match": "dry"}).json()["series"])
    tried = [
        live.client.post(
            "/api/v1/rules/dry-run", json={"rule": {"selector": "dry", "threshold": t, "keep_for": "5m"}, "days": 7}
        ).json()
        for t in (0.25, 1.0)
    ]
    assert [1, 1] == [t["replayed"] for t in tried]
    assert tried[0]["incidents"] >= 1 > tried[1]["incidents"]
    assert "dry" in tried[0]["examples"][0]["title"]
    assert 400 == live.client.post("/api/v1/rules/dry-run", json={"rule": {"selector": "dry"}, "days": 400}).status_code


def test_the_life_of_a_silence(live: Live) -> None:
    """Created with a duration, read, changed, deleted."""
    made = live.client.post("/api/v1/silences", json={"selector": 'a{host="b"}', "duration": "2h", "comment": "upgrade"})
    silence = made.json()
    assert (201, "active", 7_200_000) == (made.status_code, silence["state"], silence["end"] - silence["start"])
    path = f"/api/v1/silences/{silence['id']}"
    changed = live.client.put(path, json={"selector": "a", "start": NOW + 10**8, "end": NOW + 2 * 10**8})
    assert (200, "pending", silence["id"]) == (changed.status_code, changed.json()["state"], changed.json()["id"])
    assert [changed.json()] == live.client.get("/api/v1/silences").json()["silences"]
    assert [204, 404] == [live.client.delete(path).status_code, live.client.delete(path).status_code]


@pytest.mark.parametrize(
    "silence",
    [
        {"selector": "a"},
        {"selector": "a", "start": 5, "end": 5},
        {"selector": "a{", "duration": "1h"},
        {"duration": "1h"},
        {"selector": "a", "end": NOW + 10**7, "duration": "1h"},
        {"selector": "a", "duration": "forever"},
    ],
)
def test_bad_silences(live: Live, silence: dict[str, Any]) -> None:
    """Refused with a cause."""
    assert 400 == live.client.post("/api/v1/silences", json=silence).status_code
