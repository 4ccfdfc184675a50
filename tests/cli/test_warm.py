"""Compiling ahead."""

from __future__ import annotations

import cramjam

from awry.core.series_table import SeriesTable
from awry.formats.remote_write import decode_remote_write
from awry.server import warm


def test_every_step_is_told() -> None:
    """Each step says what it compiles, and all of them work."""
    told: list[str] = []
    warm.compile_all(told.append)
    assert {"default detector", "the Graphite door", "the Prometheus door", "the store"} <= set(told)


def test_the_tiny_messages_are_real_ones() -> None:
    """Both remote-write messages hold one sample of the series x, so that the whole way of a sample is compiled."""
    for version, message in ((1, warm._VERSION_1), (2, warm._VERSION_2)):
        table = SeriesTable()
        found = decode_remote_write(bytes(cramjam.snappy.compress_raw(message)), table, version=version)
        assert ([1.0], [1], ["x"]) == (found.batch.value.tolist(), found.batch.time.tolist(), table.keys)
