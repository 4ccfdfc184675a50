"""The sample objects of docs/reference/api.md have the fields that the server answers with."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from awry.server.problems import problem
from awry.server.rule_shape import RULE_FIELDS
from tests.server.live import Live

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "api.md").read_text(encoding="utf-8")


def sample(name: str) -> dict[str, Any]:
    found = re.search(rf"<!-- sample {name} -->\n+```json\n(.*?)```", PAGE, re.DOTALL)
    assert found is not None
    value: dict[str, Any] = json.loads(found[1])
    return value


def test_every_json_block_parses() -> None:
    """No sample has a slip."""
    blocks = re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) >= 10
    for block in blocks:
        json.loads(block)


def test_a_rule(live: Live) -> None:
    """The documented rule can be sent, and comes back with the documented fields."""
    documented = sample("rule")
    sent = {k: v for k, v in documented.items() if k not in ("origin", "notify")}
    answer = live.client.post("/api/v1/rules", json=sent).json()
    assert documented | {"notify": []} == answer
    assert {*RULE_FIELDS, "origin"} == set(documented)


def test_a_dry_run(live: Live) -> None:
    """The documented fields, no more and no fewer."""
    answer = live.client.post("/api/v1/rules/dry-run", json={"rule": {"selector": "cpu", "threshold": 0.4}}).json()
    assert list(sample("dry-run")) == list(answer)


def test_a_silence(live: Live) -> None:
    """The documented fields, no more and no fewer."""
    answer = live.client.post("/api/v1/silences", json={"selector": '{host="web-3"}', "duration": "2h"}).json()
    assert list(sample("silence")) == list(answer)


@pytest.mark.parametrize("part", ["", "series", "ingest", "store", "sources"])
def test_the_status(live: Live, part: str) -> None:
    """The documented fields, no more and no fewer, in each part."""
    documented, answer = sample("status"), live.client.get("/api/v1/status").json()
    if part:
        documented, answer = documented[part], answer[part]
    if part == "sources":
        documented, answer = documented[0], answer[0]
    assert list(documented) == list(answer)


def test_an_error() -> None:
    """The one shape."""
    assert {"error": {"code": "a", "message": "b", "hint": "c"}} == json.loads(bytes(problem(400, "a", "b", "c").body))
