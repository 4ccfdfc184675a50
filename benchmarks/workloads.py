"""Samples to send, made ahead and the same every time: daily waves with noise, as Graphite lines and as remote-write requests."""

from __future__ import annotations

import struct
from collections.abc import Iterator

import cramjam
import numpy as np
from numpy.typing import NDArray

MINUTE_MS = 60_000


def waves(series: int, steps: int, seed: int = 1) -> NDArray[np.float64]:
    """Values (steps, series): a level, a daily wave and noise of its own for each series; two decimals."""
    rng = np.random.default_rng(seed)
    level, height, phase = rng.uniform(10, 1000, series), rng.uniform(0, 5, series), rng.uniform(0, 2 * np.pi, series)
    day = 2 * np.pi * np.arange(steps)[:, None] / 1440 + phase
    return np.round(level + height * np.sin(day) + rng.normal(0, 1, (steps, series)), 2)


def graphite(series: int, steps: int, end_ms: int, prefix: str = "bench") -> Iterator[bytes]:
    """Lines of one step after the other, one minute apart, the last one at `end_ms`."""
    names = [f"{prefix}.host{i // 20}.metric{i % 20}" for i in range(series)]
    for step, row in enumerate(waves(series, steps)):
        tail = f" {(end_ms - (steps - 1 - step) * MINUTE_MS) // 1000}\n"
        yield "".join(f"{name} {value:g}{tail}" for name, value in zip(names, row.tolist(), strict=True)).encode()


def remote_write(series: int, steps: int, end_ms: int, per_request: int = 2000, prefix: str = "bench") -> Iterator[bytes]:
    """Remote-write 1.0 requests of one sample per series, as Prometheus sends them: snappy-compressed protobuf."""
    labels = []
    for i in range(series):
        pairs = [("__name__", f"{prefix}_metric{i % 20}"), ("instance", f"host{i // 20}:9100"), ("job", "node")]
        labels.append(b"".join(_field(1, _field(1, name.encode()) + _field(2, value.encode())) for name, value in pairs))
    for step, row in enumerate(waves(series, steps)):
        time = b"\x10" + _varint(end_ms - (steps - 1 - step) * MINUTE_MS)
        for start in range(0, series, per_request):
            part = zip(labels[start : start + per_request], row[start : start + per_request].tolist(), strict=True)
            body = b"".join(_field(1, label + _field(2, b"\x09" + struct.pack("<d", value) + time)) for label, value in part)
            yield bytes(cramjam.snappy.compress_raw(body))


def _field(number: int, content: bytes) -> bytes:
    return bytes([number << 3 | 2]) + _varint(len(content)) + content


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
