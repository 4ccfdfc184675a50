"""Compiles every kernel a server uses into its cache, with tiny inputs, so that no client waits for it; for `awry serve`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import cramjam
import numpy as np

from awry.core.batch import Batch, Scored
from awry.core.kind import COUNTER
from awry.core.series_table import SeriesTable
from awry.detection.router import Router
from awry.detection.warm import compile_kernels
from awry.engine.pipeline import Pipeline
from awry.engine.settings import EngineSettings
from awry.formats import graphite
from awry.formats.influx import decode_influx
from awry.formats.otlp import warm_up
from awry.formats.pickle_rows import decode_frames
from awry.formats.remote_write import decode_remote_write
from awry.formats.statsd import StatsdWindow
from awry.stores.pack import pack_rows
from awry.stores.seal import Sorter

NOW = 1_700_000_000_000
_SAMPLE = b"\x12\x0b\x09\x00\x00\x00\x00\x00\x00\xf0\x3f\x10\x01"
"""Field 2 of a time series in both versions: value 1.0 at 1 ms."""
_VERSION_1 = b"\x0a\x1c" + b"\x0a\x0d\x0a\x08__name__\x12\x01x" + _SAMPLE
_VERSION_2 = b"\x22\x00\x22\x08__name__\x22\x01x" + b"\x2a\x11" + b"\x0a\x02\x01\x02" + _SAMPLE


Progress = Callable[[str], None]


def compile_all(progress: Progress = lambda _: None, before_doors: Callable[[], None] = lambda: None) -> None:
    """Run each kernel once, telling `progress` what is being compiled; fast when the cache is warm.

    before_doors: called between the two halves, of which another process may do the second meanwhile.
    """
    compile_kernels(progress)
    progress("rules and incidents")
    pipeline = Pipeline(Router(), ["x"], EngineSettings(shards=1), kinds=bytes([COUNTER]))
    tick, _ = pipeline.step(NOW, Batch.of([0], [NOW], [1.0]))
    pipeline.rates.replay(tick.batch, tick.sent)
    progress("the store")
    sorter = Sorter(np.zeros(1, np.int32))
    while sorter.go_on(1):
        pass
    pack_rows(Batch.of([0], [NOW], [1.0]), Scored.blank(1))
    before_doors()
    compile_doors(progress)


def compile_doors(progress: Progress = lambda _: None) -> None:
    """The kernels of the formats that come in."""
    progress("the Graphite door")
    table = SeriesTable()
    for _ in range(2):  # a name is unknown once
        graphite.decode(b"x 1 1700000000\n", table, NOW)
    progress("the Influx door")
    for _ in range(2):
        decode_influx(b"x value=1 1700000000000000000\n", table, NOW)
    progress("the StatsD door")
    window, line = StatsdWindow(), np.frombuffer(b"x:1|c\n" + bytes(16), np.uint8)
    for _ in range(2):
        window.gather(line, 6, table, NOW)
    window.batch(window.settle(1.0, 1.0), table, NOW, Counter())
    progress("the Graphite pickle door")
    decode_frames(np.frombuffer(b"\x00\x00\x00\x04\x80\x02]." + bytes(16), np.uint8), 8, table, NOW)
    progress("the Prometheus door")
    for version, message in ((1, _VERSION_1), (2, _VERSION_2)):
        decode_remote_write(bytes(cramjam.snappy.compress_raw(message)), table, version=version)
    progress("the OpenTelemetry door")
    warm_up(table, NOW)
