"""The demo, and what looks at a running server: incidents come from the engine alone, and a restart repeats nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import httpx
import numpy as np
import pytest

from awry.cli.main import main
from awry.connectors.demo import demo_recordings
from awry.connectors.replay import Recording, ReplaySource
from awry.core.clock import ManualClock, SystemClock
from awry.server.app import AppOptions, private_config
from awry.server.run import Running, running

pytestmark = pytest.mark.slow
RDS = 'rds_cpu_utilization{instance="cc0c53",source="nab"}'
NOW = SystemClock().now_ms()


async def until(server: Running, what: Callable[[Running], bool]) -> None:
    """Wait until it is so."""
    async with asyncio.timeout(60):
        while not what(server):
            await asyncio.sleep(0.02)


def history_in(count: int) -> Callable[[Running], bool]:
    """Whether so many samples of the demo were committed."""
    return lambda server: server.app.engine.counters.of("demo").accepted >= count


async def titles(folder: Path, recordings: Sequence[Recording]) -> list[str]:
    """Incidents of a server that replays these recordings, over the API, without the times in their sentences."""
    # every run has the same clock, so that it differs in the values only
    source = ReplaySource(tuple(recordings), name="demo", clock=ManualClock(NOW), sleep=_never)
    async with running(private_config(folder), AppOptions(sources=[source])) as server:
        await until(server, history_in(sum(int((r.time <= r.time[-1] - 86_400_000).sum()) for r in recordings)))
        async with httpx.AsyncClient(base_url=server.url, trust_env=False) as client:
            answer = (await client.get("/api/v1/incidents", params={"state": "all", "limit": 1000})).json()
    return sorted(f"{i['start']} {i['title'].split(', since')[0]}" for i in answer["incidents"])


async def _never(seconds: float) -> None:
    await asyncio.Event().wait()


async def test_incidents_come_from_the_values(tmp_path: Path) -> None:
    """The labelled jump to 25 makes an incident; the same recording without it has none there; the same values give the same."""
    rds = next(r for r in demo_recordings() if r.key == RDS)
    calm = Recording(RDS, rds.time, np.where(rds.value > 20, 6.0, rds.value))
    as_it_was, again, without = (
        await titles(tmp_path / "a", [rds]),
        await titles(tmp_path / "b", [rds]),
        await titles(tmp_path / "c", [calm]),
    )
    assert as_it_was == again
    assert any("is 25.1" in title for title in as_it_was)
    assert not any("is 25.1" in title for title in without)


async def test_a_restart_repeats_nothing(tmp_path: Path) -> None:
    """The demo's history is there within moments; after a restart nothing of it is sent again, and no sample is refused."""
    config, total = private_config(tmp_path), 26_188
    async with running(config, AppOptions(demo=True)) as server:
        await until(server, history_in(total))
        keys = {one.key for one in demo_recordings()}
        assert keys <= set(server.app.table.keys)
        incidents, _ = server.app.archive.incidents(limit=1000)
        assert len(incidents) >= 3
        assert 0 == sum(server.app.engine.counters.of("demo").refused.values())
    async with running(config, AppOptions(demo=True)) as server:
        await asyncio.sleep(0.5)
        assert server.app.engine.counters.of("demo").received < 50
        assert 0 == sum(server.app.engine.counters.of("demo").refused.values())
        assert incidents[-1].id in {i.id for i in server.app.archive.incidents(limit=1000)[0]}


async def test_top_and_series(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`top --once` shows the strangest first, `series` lists and deletes after saying what it would do."""
    async with running(private_config(tmp_path), AppOptions(demo=True)) as server:
        await until(server, history_in(26_188))
        await until(server, lambda s: s.app.engine.snapshot.series >= 7)

        async def awry(*words: str) -> str:
            assert 0 == await asyncio.to_thread(main, [*words, "--url", server.url])
            return capsys.readouterr().out

        assert RDS in await awry("top", "--once")
        shown = json.loads(await awry("top", "--once", "--json", "--rows", "7"))
        segments = [one["segment"] for one in shown]
        assert sorted(segments, reverse=True) == segments
        assert 2 == len(json.loads(await awry("top", "--once", "--json", "--match", "ec2_cpu_utilization")))
        assert 7 == len((await awry("series", "list")).splitlines())
        assert "1 series would be deleted" in await awry("series", "delete", RDS)
        assert 7 == len((await awry("series", "list")).splitlines())
        assert "1 series deleted" in await awry("series", "delete", RDS, "--yes")
        await until(server, lambda s: RDS not in s.app.table.keys)
