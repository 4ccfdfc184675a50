"""The load of a capacity run: samples of many series as bytes ready to send, made in columns so that sending costs next to nothing.

All texts of a step have the same width, so the bytes of a step are a table (series, width) in which only the digits of value and
time change: a few NumPy writes for a whole step, nothing per line.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import cramjam
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Protocol = Literal["graphite", "remote-write"]
PER_HOST = 20
"""Series of one made-up host."""
PER_REQUEST = 2000
"""Samples in one remote-write request, as Prometheus sends them."""
_HOST, _METRIC, _VALUE, _SECONDS = 6, 2, 7, 10
_ZERO = ord("0")


@dataclass
class Waves:
    """Values of all series: a level, a wave of a day and noise of its own for each; two decimals, never negative."""

    series: int
    seed: int = 1
    _level: NDArray[np.float64] = field(init=False, repr=False)
    _height: NDArray[np.float64] = field(init=False, repr=False)
    _phase: NDArray[np.float64] = field(init=False, repr=False)
    _rng: np.random.Generator = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._rng = np.random.default_rng(self.seed)
        self._level = self._rng.uniform(20.0, 1000.0, self.series)
        self._height = self._rng.uniform(0.0, 5.0, self.series)
        self._phase = self._rng.uniform(0.0, 2.0 * np.pi, self.series)

    def at(self, time_ms: int, first: int, last: int) -> NDArray[np.int64]:
        """Values of series [first, last) at one time, in hundredths."""
        day = 2.0 * np.pi * (time_ms / 86_400_000.0 % 1.0)
        part = slice(first, last)
        value = self._level[part] + self._height[part] * np.sin(day + self._phase[part]) + self._rng.standard_normal(last - first)
        return np.rint(np.clip(value, 0.0, 9999.0) * 100.0).astype(np.int64)


class GraphiteLoad:
    """Lines `capacity.host000017.metric03 0512.25 1767225600`."""

    def __init__(self, series: int) -> None:
        self.series, self._waves = series, Waves(series)
        line = b"capacity.host" + b"0" * _HOST + b".metric" + b"0" * _METRIC + b" 0000.00 " + b"0" * _SECONDS + b"\n"
        self._lines = np.tile(np.frombuffer(line, np.uint8), (series, 1))
        index = np.arange(series)
        host = len(b"capacity.host")
        metric = host + _HOST + len(b".metric")
        _digits(self._lines, host, _HOST, index // PER_HOST)
        _digits(self._lines, metric, _METRIC, index % PER_HOST)
        self._value = metric + _METRIC + 1
        self._time = self._value + _VALUE + 1

    def encode(self, time_ms: int, first: int = 0, last: int | None = None) -> bytes:
        """One line for each of the series [first, last), all of one time."""
        last = self.series if last is None else last
        lines, hundredths = self._lines[first:last], self._waves.at(time_ms, first, last)
        _digits(lines, self._value, 4, hundredths // 100)
        _digits(lines, self._value + 5, 2, hundredths % 100)
        _digits(lines, self._time, _SECONDS, np.int64(time_ms // 1000))
        return lines.tobytes()


class RemoteWriteLoad:
    """Remote-write 1.0 requests with one sample for each of some series: snappy-compressed protobuf."""

    def __init__(self, series: int) -> None:
        self.series, self._waves = series, Waves(series)
        host, metric = b"host" + b"0" * _HOST, b"capacity_metric" + b"0" * _METRIC
        labels = b"".join(_pair(name, value) for name, value in ((b"__name__", metric), (b"instance", host), (b"job", b"node")))
        sample = b"\x09" + bytes(8) + b"\x10" + bytes(6)
        content = labels + b"\x12" + bytes([len(sample)]) + sample
        message = b"\x0a" + bytes([len(content)]) + content
        self._messages = np.tile(np.frombuffer(message, np.uint8), (series, 1))
        index = np.arange(series)
        _digits(self._messages, message.index(metric) + len(metric) - _METRIC, _METRIC, index % PER_HOST)
        _digits(self._messages, message.index(host) + len(host) - _HOST, _HOST, index // PER_HOST)
        self._time = len(message) - 6
        self._value = self._time - 9

    def encode(self, time_ms: int, first: int = 0, last: int | None = None) -> bytes:
        """One request of a sample for each of the series [first, last)."""
        last = self.series if last is None else last
        messages = self._messages[first:last]
        value = self._waves.at(time_ms, first, last) / 100.0
        messages[:, self._value : self._value + 8] = value.astype("<f8").view(np.uint8).reshape(-1, 8)
        messages[:, self._time : self._time + 6] = [time_ms >> 7 * k & 127 | (128 if k < 5 else 0) for k in range(6)]
        return bytes(cramjam.snappy.compress_raw(messages.tobytes()))


Load = GraphiteLoad | RemoteWriteLoad


def make_load(protocol: Protocol, series: int) -> Load:
    """The load in one protocol."""
    return GraphiteLoad(series) if protocol == "graphite" else RemoteWriteLoad(series)


def _digits(table: Bytes, column: int, width: int, number: NDArray[np.int64] | np.int64) -> None:
    """Write numbers with leading zeros into columns [column, column + width)."""
    for place in range(column + width - 1, column - 1, -1):
        number, digit = np.divmod(number, 10)
        table[:, place] = digit + _ZERO


def _pair(name: bytes, value: bytes) -> bytes:
    content = b"\x0a" + bytes([len(name)]) + name + b"\x12" + bytes([len(value)]) + value
    return b"\x0a" + bytes([len(content)]) + content
