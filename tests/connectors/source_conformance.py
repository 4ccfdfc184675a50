"""What holds of every source, whatever system it reads; run on each implementation."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import numpy as np

from awry.core.batch import Batch
from awry.core.protocols import Source
from awry.core.series_table import SeriesTable
from awry.core.tick import Rows

WAIT_SECONDS = 60.0
"""Longest wait for anything; only a failing source waits so long."""


def check_rows(rows: Rows, table: SeriesTable) -> None:
    """Columns of the right types, slots that exist, counts that add up."""
    batch = rows.batch
    assert (np.dtype(np.int32), np.dtype(np.int64), np.dtype(np.float64)) == (batch.slot.dtype, batch.time.dtype, batch.value.dtype)
    assert len(batch.slot) == len(batch.time) == len(batch.value)
    assert not len(batch) or (batch.slot.min() >= 0 and batch.slot.max() < len(table))
    assert rows.received == 0 or rows.received >= len(batch)
    assert all(reason and count > 0 for reason, count in rows.refused.items())


async def collect(source: Source, table: SeriesTable, until: Callable[[list[Rows]], bool]) -> list[Rows]:
    """Rows of a source until the condition holds of all so far."""
    got: list[Rows] = []
    async with asyncio.timeout(WAIT_SECONDS), aclosing(source.rows(table, None)) as stream:  # type: ignore[type-var]
        async for rows in stream:
            check_rows(rows, table)
            got.append(rows)
            if until(got):
                break
    return got


def samples(got: list[Rows], table: SeriesTable) -> list[tuple[str, int, float]]:
    """(key, Unix ms, value) of everything that came, in order."""
    batch = Batch.concat([rows.batch for rows in got])
    return [(table.keys[s], t, v) for s, t, v in zip(batch.slot.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True)]


def accepted(count: int) -> Callable[[list[Rows]], bool]:
    """So many samples came."""
    return lambda got: sum(len(rows.batch) for rows in got) >= count


def refused(got: list[Rows]) -> dict[str, int]:
    """All refusals so far, by reason."""
    total: dict[str, int] = {}
    for rows in got:
        for reason, count in rows.refused.items():
            total[reason] = total.get(reason, 0) + count
    return total


async def check_source(make: Callable[[], Source], feed: Callable[[Any], Awaitable[int]]) -> None:
    """Names itself, delivers what is fed, can be cancelled, left twice and entered again.

    feed: gives the entered source something to read and tells how many samples to expect.
    """
    source = make()
    assert source.name
    for _ in range(2):
        table = SeriesTable()
        async with source:
            expected = await feed(source)
            got = await collect(source, table, accepted(expected))
            assert expected == len(samples(got, table))
            for rows in got:
                if rows.position is not None:
                    await source.commit(rows.position)
            waiting = asyncio.create_task(collect(source, table, lambda got: False))
            await asyncio.sleep(0)
            waiting.cancel()
            async with asyncio.timeout(WAIT_SECONDS):
                await asyncio.gather(waiting, return_exceptions=True)
        await source.__aexit__(None, None, None)
