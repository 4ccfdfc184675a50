"""The grouping of the heat map's lanes by a label."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any

from awry.core.series_table import SeriesTable
from awry.server.pages.heat import Groups


class _Meeting(list[str]):
    """A list whose readers wait a moment for each other, so that two of them read it at the same time if they can."""

    def __init__(self, keys: list[str]) -> None:
        super().__init__(keys)
        self._barrier = threading.Barrier(2)

    def __getitem__(self, at: Any) -> Any:
        with suppress(threading.BrokenBarrierError):
            self._barrier.wait(0.5)
        return super().__getitem__(at)


def test_two_requests_at_once_learn_each_series_once() -> None:
    """Each slot keeps its own label value, however many threads ask for new ones together."""
    table = SeriesTable()
    table.keys = _Meeting([f'cpu{{host="web-{i}"}}' for i in range(9)])
    groups = Groups(table, "host")
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(groups.codes, [6, 6]))
    assert list(range(9)) == groups.codes(9).tolist()
