"""Compiling ahead."""

from __future__ import annotations

import os
from pathlib import Path

import cramjam

from awry.core.series_table import SeriesTable
from awry.detection.warm import drop_stale
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


def test_kernels_are_stale_when_any_kernel_source_is_newer(tmp_path: Path) -> None:
    """A changed source with kernels outdates the cached kernels of every folder, a changed source without any costs nothing."""

    def put(name: str, time: int, text: str = "") -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        os.utime(path, (time, time))
        return path

    put("core/hashing.py", 100, "@njit(cache=True)\ndef probe(): ...\n")
    caller = put("formats/__pycache__/graphite.nbi", 200)
    put("formats/names.py", 300, "# no kernel here\n")
    assert (0, True) == (drop_stale(tmp_path), caller.exists())
    put("core/hashing.py", 400, "@njit(cache=True)\ndef probe(): ...\n")
    assert (1, False) == (drop_stale(tmp_path), caller.exists())
