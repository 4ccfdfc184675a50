"""From a sample to a webhook through the whole server, also over a restart."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from awry.core.clock import SystemClock
from awry.notifiers.webhook import Webhook
from awry.server.app import AppOptions, private_config
from awry.server.run import running
from tests.notifiers.receiver import Receiver

MINUTE = 60_000


async def until(true: Callable[[], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(60):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_an_incident_reaches_the_webhook_once(tmp_path: Path) -> None:
    """A receiver that is down when the incident opens gets it after the restart of the server, and only once."""
    start = SystemClock().now_ms() - 3000 * MINUTE
    values = [50 + 5 * math.sin(n / 40) + 0.5 * math.sin(n * 1.7) for n in range(2990)] + [500.0]
    body = {"series": ["cpu"] * len(values), "time": [start + n * MINUTE for n in range(len(values))], "value": values}
    config = private_config(tmp_path)
    with Receiver(*[503] * 50) as receiver:
        options = AppOptions(notifiers={"hook": Webhook(url=f"http://{receiver.address}/")})
        async with running(config, options) as server:
            async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
                answer = await client.post("/api/v1/samples", json=body, timeout=30)
            assert len(values) == answer.json()["accepted"]
            status = server.app.dispatcher.status["hook"]
            await until(lambda: status.retries > 0)
            assert "503" in status.last_error
            assert 0 == status.delivered
        receiver.answers.clear()
        receiver.requests.clear()
        async with running(config, options) as server:
            status = server.app.dispatcher.status["hook"]
            await until(lambda: status.delivered > 0 and status.waiting == 0)
            delivered = status.delivered
        async with running(config, options) as server:
            await asyncio.sleep(0.2)
            assert 0 == server.app.dispatcher.status["hook"].delivered
    bodies = [json.loads(request.body) for request in receiver.requests]
    numbers = [one["number"] for one in bodies]
    assert sorted(set(numbers)) == numbers
    assert delivered == len(numbers)
    assert any(one["kind"] == "opened" and "cpu is 500" in one["title"] for one in bodies)
