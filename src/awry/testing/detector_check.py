"""What every detector must keep, as one call; for the tests of ours and of other people's detectors."""

from __future__ import annotations

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from awry.core.batch import Arrays, Batch, Raw
from awry.core.protocols import Detector

SERIES, ROWS = 4, 400
START_MS, STEP_MS = 1_700_000_000_000, 60_000
ALIKE_SHARE = 0.97
"""Share of rows whose strength must survive a change of scale and shift; the rest may differ by a tie broken the other way."""


def check_detector(factory: Callable[[], Detector]) -> None:
    """Raise AssertionError, saying which promise is broken, unless `factory()` makes detectors that keep all of them.

    Kept must be: the same bits however the stream is cut, run again, or resumed from a dump by ranges of slots; series do not
    touch each other, alone or from several threads; NaN teaches nothing and gives NaN; no strength before warm-up, and
    finite ones after it; low <= expected <= high; a change of scale and shift changes strengths little; huge values and flat
    lines leave the state finite.
    """
    batch = _stream()
    whole = _run(factory, [batch])
    _check_shapes(factory(), whole, batch)
    _same(_run(factory, [batch]), whole, "a second run gives other results")
    for size in (1, 7, 1000):
        pieces = [batch.take(slice(at, at + size)) for at in range(0, len(batch), size)]
        _same(_run(factory, pieces), whole, f"cut into pieces of {size} it gives other results")
    _check_resume(factory, batch, whole)
    _check_alone(factory, batch, whole)
    _check_threads(factory, batch, whole)
    _check_missing(factory, batch)
    _check_scale(factory, batch, whole)
    _check_hostile(factory)


def _stream() -> Batch:
    """Interleaved series: noise with a spike and a shift, a daily wave, counts with zeros, a nearly flat one; some NaN."""
    rng = np.random.default_rng(20_240_229)
    t = np.arange(ROWS)
    noise = rng.normal(50, 3, ROWS)
    noise[300] += 40
    noise[350:] += 12
    wave = 10 * np.sin(2 * np.pi * t / 96) + rng.normal(0, 0.5, ROWS)
    counts = rng.poisson(0.7, ROWS).astype(np.float64)
    flat = np.where(rng.random(ROWS) < 0.02, 1.5, 1.25)
    values = np.stack([noise, wave, counts, flat], axis=1)
    values[rng.random(values.shape) < 0.02] = np.nan
    return Batch.of(np.tile(np.arange(SERIES), ROWS), np.repeat(START_MS + t * STEP_MS, SERIES), values.ravel())


def _run(factory: Callable[[], Detector], batches: list[Batch]) -> Raw:
    detector = factory()
    detector.grow(SERIES)
    return _concat([detector.step(batch) for batch in batches])


def _concat(raws: list[Raw]) -> Raw:
    def join(name: str) -> NDArray[np.generic]:
        return np.concatenate([getattr(raw, name) for raw in raws])

    return Raw(*(join(name) for name in ("strength", "expected", "low", "high", "part")))  # type: ignore[arg-type]  # five names, five fields


def _same(got: Raw, wanted: Raw, complaint: str) -> None:
    for name in ("strength", "expected", "low", "high", "part"):
        a, b = getattr(got, name), getattr(wanted, name)
        assert a.tobytes() == b.tobytes(), f"{complaint}: {name} differs"


def _same_arrays(got: Arrays, wanted: Arrays, complaint: str) -> None:
    assert got.keys() == wanted.keys(), f"{complaint}: arrays {sorted(got)} instead of {sorted(wanted)}"
    for name, array in got.items():
        assert array.tobytes() == wanted[name].tobytes(), f"{complaint}: {name} differs"


def _check_shapes(detector: Detector, raw: Raw, batch: Batch) -> None:
    heads = len(detector.heads)
    assert raw.strength.shape == (len(batch), heads), f"strength has shape {raw.strength.shape}, not (rows, {heads})"
    assert raw.strength.dtype == np.float32, f"strength is {raw.strength.dtype}, not float32"
    assert raw.part.dtype == np.uint8, f"part is {raw.part.dtype}, not uint8"
    assert int(raw.part.max()) < len(detector.parts), "part points beyond `parts`"
    valid = ~np.isnan(batch.value)
    for slot in range(SERIES):
        rows = np.flatnonzero(valid & (batch.slot == slot))
        early, late = rows[: detector.warmup], rows[detector.warmup :]
        assert np.isnan(raw.strength[early]).all(), "strength is given before warm-up"
        for name in ("strength", "expected", "low", "high"):
            assert np.isfinite(getattr(raw, name)[late]).all(), f"{name} is not finite after warm-up"
        assert (raw.low[late] <= raw.expected[late]).all(), "low lies above expected"
        assert (raw.expected[late] <= raw.high[late]).all(), "expected lies above high"
    assert np.isnan(raw.strength[~valid]).all(), "a NaN value has a strength"


def _check_resume(factory: Callable[[], Detector], batch: Batch, whole: Raw) -> None:
    for at in (3, len(batch) // 2):
        first = factory()
        first.grow(SERIES)
        head = first.step(batch.take(slice(0, at)))
        second = factory()
        second.load(first.dump(2, SERIES), 2)
        second.load(first.dump(0, 2))
        _same_arrays(second.dump(), first.dump(), "what was loaded is dumped differently")
        _same(
            _concat([head, second.step(batch.take(slice(at, len(batch))))]),
            whole,
            f"resumed after {at} rows it gives other results",
        )


def _check_alone(factory: Callable[[], Detector], batch: Batch, whole: Raw) -> None:
    for slot in range(SERIES):
        rows = batch.slot == slot
        mine = batch.take(rows)
        got = _run(factory, [Batch(np.zeros(len(mine), np.int32), mine.time, mine.value)])
        for name in ("strength", "expected", "part"):
            same = getattr(got, name).tobytes() == getattr(whole, name)[rows].tobytes()
            assert same, f"a series alone in slot 0 gives another {name} than among others in slot {slot}"


def _check_threads(factory: Callable[[], Detector], batch: Batch, whole: Raw) -> None:
    detector = factory()
    detector.grow(SERIES)
    got: dict[int, Raw] = {}

    def work(slot: int) -> None:
        mine = batch.take(batch.slot == slot)
        got[slot] = _concat([detector.step(mine.take(slice(at, at + 10))) for at in range(0, len(mine), 10)])

    threads = [threading.Thread(target=work, args=(slot,)) for slot in range(SERIES)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for slot in range(SERIES):
        same = got[slot].strength.tobytes() == whole.strength[batch.slot == slot].tobytes()
        assert same, "threads on disjoint slots disturb each other"


def _check_missing(factory: Callable[[], Detector], batch: Batch) -> None:
    detector, skipping = factory(), factory()
    detector.grow(SERIES)
    skipping.grow(SERIES)
    detector.step(batch)
    skipping.step(batch.take(~np.isnan(batch.value)))
    _same_arrays(detector.dump(), skipping.dump(), "a NaN value changed the state")


def _check_scale(factory: Callable[[], Detector], batch: Batch, whole: Raw) -> None:
    for scale, shift in ((1024.0, 0.0), (0.37, 0.0), (1.0, 5000.0), (1e-6, -1.0)):
        got = _run(factory, [Batch(batch.slot, batch.time, batch.value * scale + shift)]).strength
        valid = ~np.isnan(whole.strength[:, 0])
        alike = np.abs(got[valid] - whole.strength[valid]) <= 0.05 + 0.02 * np.abs(whole.strength[valid])
        assert alike.mean() >= ALIKE_SHARE, (
            f"values times {scale:g} plus {shift:g} have other strengths in {1 - alike.mean():.1%} of rows"
        )


def _check_hostile(factory: Callable[[], Detector]) -> None:
    rng = np.random.default_rng(7)
    base = rng.normal(0, 1, ROWS)
    for name, poison in {
        "1e308 once": {200: 1e308},
        "1e308 first": {0: 1e308},
        "1e308 second": {1: -1e308},
        "both ends": {150: 1e308, 151: -1e308},
        "infinities": {100: np.inf, 101: -np.inf},
    }.items():
        value = base.copy()
        for row, x in poison.items():
            value[row] = x
        _check_finite(factory, value, name)
    _check_finite(factory, np.full(ROWS, 3.25), "a flat line")
    _check_finite(factory, np.zeros(ROWS), "zeros")
    _check_finite(factory, np.where(np.arange(ROWS) % 2 == 0, 1e308, -1e308), "swings from end to end")
    _check_finite(factory, np.cumsum(np.full(ROWS, 1e12)), "a steep counter")
    _check_finite(factory, base * 5e-324, "the smallest numbers")


def _check_finite(factory: Callable[[], Detector], value: NDArray[np.float64], name: str) -> None:
    detector = factory()
    detector.grow(1)
    raw = detector.step(Batch.of(np.zeros(len(value), np.int32), START_MS + np.arange(len(value)) * STEP_MS, value))
    for key, array in detector.dump().items():
        if array.dtype.kind == "f":
            assert np.isfinite(array).all(), f"{name}: state {key} holds a number that is not finite"
    seen = ~np.isnan(raw.strength[:, 0])
    for key in ("strength", "expected", "low", "high"):
        assert np.isfinite(getattr(raw, key)[seen]).all(), f"{name}: {key} is not finite"
    assert (raw.low[seen] <= raw.expected[seen]).all(), f"{name}: low lies above expected"
    assert (raw.expected[seen] <= raw.high[seen]).all(), f"{name}: expected lies above high"
