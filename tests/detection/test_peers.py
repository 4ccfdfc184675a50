"""Peers: its twin, what moves a group and what leaves it, and the promises it can keep."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from awry.core.batch import Batch, Raw
from awry.core.errors import InvalidInput
from awry.detection.peers import Peers, siblings
from tests import naive_forests

START_MS = 1_700_006_400_000
COLUMNS = ("strength", "expected", "low", "high", "part")


def group(rows: int, series: int, seed: int) -> NDArray[np.float64]:
    """Siblings (rows, series) that share a walk with a jump, a spike and a daily wave, each with its own offset and share."""
    rng = np.random.default_rng(seed)
    t = np.arange(rows)
    common = 10 * np.sin(2 * np.pi * t / 1440) + np.cumsum(rng.normal(0, 0.1, rows))
    common[rows // 2 :] += 25
    common[3 * rows // 4] += 60
    return rng.uniform(0, 100, series) + rng.uniform(0.5, 2, series) * common[:, None] + rng.normal(0, 1, (rows, series))


def batch(values: NDArray[np.float64], late_ms: NDArray[np.int64] | None = None) -> Batch:
    """Rows tick by tick; late_ms: (rows, series), how long after its tick each sample comes."""
    rows, series = values.shape
    times = np.repeat(START_MS + np.arange(rows) * 60_000, series) + (0 if late_ms is None else late_ms.ravel())
    order = np.argsort(times, kind="stable")
    return Batch.of(np.tile(np.arange(series), rows)[order], times[order], values.ravel()[order])


def run(rows: Batch, series: int, detector: Peers | None = None) -> Raw:
    """All rows at once."""
    detector = detector or Peers()
    detector.grow(series)
    return detector.step(rows)


def same(one: Raw, other: Raw) -> bool:
    """Whether all columns agree bit for bit."""
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in COLUMNS)


def joined(raws: list[Raw]) -> Raw:
    """One answer of several."""
    return Raw(*(np.concatenate([getattr(raw, name) for raw in raws]) for name in COLUMNS))


def test_peers_as_defined() -> None:
    """Strengths of 600 ticks of 7 series equal those of the twin, late judgements included."""
    values = group(600, 7, 1)
    wanted = np.array(naive_forests.peers(values.tolist()))
    got = run(batch(values), 7).strength[:, 0].reshape(600, 7)
    assert wanted == pytest.approx(got, abs=1e-4, nan_ok=True)


@pytest.mark.parametrize("shuffled", [False, True])
def test_what_moves_the_group_is_nobodys_own(shuffled: bool) -> None:
    """A jump of 25 and a spike of 60 of all are weaker than 6 deviations of one, in whatever order a tick's samples come."""
    values = group(4000, 12, 2)
    values[3500, 3] += 6
    values[3700:3730, 5] -= 8
    rng = np.random.default_rng(3)
    rows = batch(values, rng.integers(0, 29_000, values.shape) if shuffled else None)
    raw = run(rows, 12)
    tick = (rows.time - START_MS) // 60_000
    one = raw.strength[(rows.slot == 3) & (tick >= 3500) & (tick <= 3501)].max()
    two = raw.strength[(rows.slot == 5) & (tick >= 3700) & (tick <= 3702)].max()
    common = raw.strength[((tick >= 2000) & (tick <= 2002)) | ((tick >= 3000) & (tick <= 3002))].max()
    assert one > 3
    assert two > 3
    assert common < min(one, two)
    late = tick >= 200
    inside = (raw.low <= rows.value) & (rows.value <= raw.high)
    assert inside[late].mean() >= 0.98


def test_few_siblings_say_nothing() -> None:
    """With three siblings strength stays 0 and the part is "alone"; a fourth lets them speak."""
    values = group(300, 5, 4)
    values[250, 0] += 30
    assert 0.0 == np.nanmax(run(batch(values[:, :4].copy()), 4).strength)
    assert {0} == set(run(batch(values[:, :4].copy()), 4).part.tolist())
    assert np.nanmax(run(batch(values), 5).strength[1250:1256]) > 3


def test_groups_do_not_touch_each_other() -> None:
    """Two groups in one detector give the bits that each gives alone; a series of no group is never judged."""
    values = np.concatenate([group(400, 6, 5), group(400, 6, 6), group(400, 1, 7)], axis=1)
    rows = batch(values)
    both = run(rows, 13, Peers(group_of=lambda slot: slot // 6 if slot < 12 else -1))
    for number in (0, 1):
        mine = (rows.slot >= 6 * number) & (rows.slot < 6 * number + 6)
        alone = run(batch(values[:, 6 * number : 6 * number + 6].copy()), 6)
        assert alone.strength.tobytes() == both.strength[mine].tobytes()
    assert 0.0 == np.nanmax(both.strength[rows.slot == 12])


def test_any_cut_and_any_resume_give_the_same_bits() -> None:
    """Pieces of 1, 7 and 1000 rows, a second run, and going on from a dump taken in ranges agree with one run."""
    values = group(200, 6, 8)
    values[np.random.default_rng(9).random(values.shape) < 0.03] = np.nan
    rows = batch(values)
    whole = run(rows, 6)
    for size in (1, 7, 1000, len(rows)):
        detector = Peers()
        detector.grow(6)
        assert same(whole, joined([detector.step(rows.take(slice(at, at + size))) for at in range(0, len(rows), size)]))
    for at in (3, 611):
        first, second = Peers(), Peers()
        first.grow(6)
        head = first.step(rows.take(slice(0, at)))
        second.load(first.dump(2, 6), 2)
        second.load(first.dump(0, 2))
        assert same(whole, joined([head, second.step(rows.take(slice(at, len(rows))))]))


def test_missing_teaches_nothing() -> None:
    """Rows of NaN and infinity give NaN and leave the state as it was without them."""
    values = group(200, 6, 10)
    values[::7, 2] = np.nan
    values[::11, 3] = np.inf
    rows = batch(values)
    valid = np.isfinite(rows.value)
    one, two = Peers(), Peers()
    assert np.isnan(run(rows, 6, one).strength[~valid]).all()
    run(rows.take(valid), 6, two)
    for name, array in one.dump().items():
        assert two.dump()[name].tobytes() == array.tobytes()


def test_hostile_values_leave_the_state_finite() -> None:
    """Values of 1e308, flat lines, and one of equal siblings that moves: finite state and answers, and the mover is named."""
    values = np.full((300, 6), 5.0)
    values[100, 1] = 1e308
    values[200, 2] = 6.0
    detector = Peers()
    raw = run(batch(values), 6, detector)
    assert all(np.isfinite(array).all() for array in detector.dump().values())
    assert np.isfinite(raw.strength[6 * 40 :][~np.isnan(raw.strength[6 * 40 :])]).all()
    assert raw.strength[6 * 200 : 6 * 202].reshape(2, 6)[:, 2].max() > 9
    assert (raw.low[600:] <= raw.high[600:])[~np.isnan(raw.low[600:])].all()


def test_a_group_larger_than_most_is_bounded() -> None:
    """Of a hundred siblings each is compared with the 8 next ones only, and a stray one is still found."""
    values = group(300, 100, 11)
    values[280, 50] += 30
    raw = run(batch(values), 100, Peers(most=8))
    assert 50 == int(np.argmax(raw.strength.reshape(300, 100)[280:282].max(axis=0)))
    with pytest.raises(InvalidInput, match="cannot compare"):
        Peers(least=9, most=8)


def test_siblings_differ_in_one_label_only() -> None:
    """Numbers by name and other labels, -1 without the label; more keys leave the first numbers as they were."""
    keys = ['cpu{host="a",dc="x"}', 'cpu{host="b",dc="x"}', 'cpu{host="a",dc="y"}', 'cpu{dc="x"}', 'mem{host="a",dc="x"}']
    assert [0, 0, 1, -1, 2] == siblings(keys, "host").tolist()
    assert [0, 0, 1, -1, 2, 1] == siblings([*keys, 'cpu{dc="y",host="c"}'], "host").tolist()


def test_the_first_of_a_tick_have_a_band_of_their_own() -> None:
    """Siblings that come early are expected where the others just were: the band holds most samples, and no more room than that."""
    rng = np.random.default_rng(8)
    values = 50 + 10 * np.sin(np.arange(3000) / 200)[:, None] + rng.normal(0, 1, (3000, 6))
    values[2900:, 0] += 15
    raw = run(batch(values), 6)
    low, high = (column.reshape(3000, 6)[500:2900, 0] for column in (raw.low, raw.high))
    assert 0.97 <= ((low <= values[500:2900, 0]) & (values[500:2900, 0] <= high)).mean() <= 0.9999
    assert 4 <= np.median(high - low) <= 12
    assert values[2900, 0] > raw.high.reshape(3000, 6)[2900, 0]
