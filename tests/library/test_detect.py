"""awry.detect: the same kind of table out as in, scores that do not depend on how the table came or was cut."""

from __future__ import annotations

import doctest
import importlib
from datetime import timedelta

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

import awry
from awry.core.batch import Batch, Scored
from awry.core.errors import InvalidInput
from awry.library.detect import COLUMNS
from awry.library.durations import duration_ms
from awry.library.judges import make_judge, score_table

N = 400
T0 = 1_700_000_000
VALUE = np.sin(np.arange(N) / 9) + np.random.default_rng(1).normal(0, 0.1, N)
VALUE[300:304] += 9
SECONDS = T0 + 60 * np.arange(N)


@pytest.fixture(scope="module")
def plain() -> dict[str, np.ndarray]:
    """One array with its times."""
    return awry.detect(VALUE, time=SECONDS)


def same(expected, actual, *names: str) -> None:
    """Equal columns, NaN included."""
    for name in names or ("value", "expected", "low", "high", "raw", "score", "segment"):
        np.testing.assert_array_equal(expected[name], np.asarray(actual[name], dtype=expected[name].dtype), err_msg=name)


def test_the_answer_has_the_promised_columns_and_finds_the_fault(plain):
    """Names in order, times in ms, a score where the fault begins."""
    assert COLUMNS == tuple(plain) == ("series", "time", "value", "expected", "low", "high", "raw", "score", "segment", "part")
    assert "none" != plain["part"][300]
    assert [T0 * 1000, (T0 + 60) * 1000] == plain["time"][:2].tolist()
    assert 300 == np.nanargmax(plain["score"])
    assert np.isnan(plain["score"][0])
    assert not np.isnan(plain["score"][-1])


@pytest.mark.parametrize(
    "data",
    [
        pd.DataFrame({"time": SECONDS, "load": VALUE}),
        pd.DataFrame({"load": VALUE}, index=pd.to_datetime(SECONDS, unit="s")),
        pd.DataFrame({"load": VALUE}, index=pd.to_datetime(SECONDS, unit="s", utc=True).tz_convert("Asia/Tokyo")),
        pd.Series(VALUE, index=pd.to_datetime(SECONDS, unit="s"), name="load"),
        pl.DataFrame({"time": SECONDS, "load": VALUE}),
        pl.DataFrame({"time": SECONDS, "load": VALUE}).lazy(),
        pl.DataFrame({"series": ["load"] * N, "time": SECONDS * 1000, "value": VALUE}),
        pa.table({"time": SECONDS, "load": VALUE}),
        {"time": SECONDS, "load": VALUE},
    ],
    ids=["pandas", "pandas-index", "pandas-zone", "pandas-series", "polars", "polars-lazy", "polars-long", "arrow", "mapping"],
)
def test_every_kind_of_table_gives_the_same_scores_and_its_own_kind_back(data, plain):
    """A frame gives a frame of the same library, a mapping a mapping."""
    out = awry.detect(data)
    same(plain, out)
    assert ["load"] == list(dict.fromkeys(np.asarray(out["series"]).tolist()))
    if isinstance(data, dict):
        assert isinstance(out, dict)
    else:
        wanted = nw.from_native(data, allow_series=True).implementation
        assert (wanted, list(COLUMNS)) == ((frame := nw.from_native(out)).implementation, frame.columns)


def test_times_come_back_as_they_came():
    """Datetimes stay datetimes of their zone, numbers are Unix ms."""
    naive = pd.DataFrame({"ds": pd.to_datetime(SECONDS, unit="s"), "y": VALUE})
    assert naive["ds"].tolist() == awry.detect(naive)["time"].tolist()
    zoned = naive.assign(ds=naive["ds"].dt.tz_localize("UTC").dt.tz_convert("Europe/Berlin"))
    assert zoned["ds"].tolist() == awry.detect(zoned)["time"].tolist()
    frame = pl.from_pandas(zoned)
    assert frame["ds"].to_list() == awry.detect(frame)["time"].to_list()
    assert (
        np.datetime64("2023-11-14T22:13:20", "ms")
        == awry.detect(VALUE, time=zoned["ds"].dt.tz_localize(None) - timedelta(hours=1))["time"][0]
    )


STAMPS = pd.to_datetime(SECONDS, unit="s")


@pytest.mark.parametrize(
    ("frame", "keys", "rows"),
    [
        (pd.DataFrame(np.column_stack([VALUE, VALUE]), index=STAMPS), ["0", "1"], 2 * N),
        (pd.DataFrame({"time": SECONDS, "host": ["a", None] * (N // 2), "value": VALUE}), ['value{host="a"}', "value"], N),
        (
            pd.DataFrame({"time": SECONDS, "host": pd.Categorical(["a", "b"] * (N // 2)), "y": VALUE}),
            ['value{host="a"}', 'value{host="b"}'],
            N,
        ),
        (pd.DataFrame({"time": [pd.NaT, *STAMPS[1:]], "load": VALUE}), ["load"], N - 1),
        (pd.DataFrame({"time": SECONDS, "load": pd.array([1, None] * (N // 2), dtype="Int64")}), ["load"], N),
        (pl.DataFrame({"time": SECONDS, "up": VALUE > 0}), ["up"], N),
        (pl.DataFrame({"time": np.where(VALUE > 8, np.nan, SECONDS), "load": VALUE}), ["load"], N - (VALUE > 8).sum()),
    ],
    ids=["number-names", "missing-label", "categories", "NaT", "Int64", "bool", "NaN-time"],
)
def test_columns_of_all_types(frame, keys, rows):
    """What people have in their frames."""
    out = awry.detect(frame)
    assert (keys, rows) == (list(dict.fromkeys(out["series"])), len(out))


def test_missing_scores_are_null_in_polars():
    """A comparison leaves the warm-up out; NaN would count as the greatest number."""
    out = awry.detect(pl.DataFrame({"time": SECONDS, "load": VALUE}))
    assert (0, True) == (out["score"].is_nan().sum(), out["score"][0] is None)
    above = out.filter(pl.col("score") > 0.3)["time"]
    assert SECONDS[300] * 1000 in above
    assert above.min() > SECONDS[16] * 1000


def test_an_interval_stands_in_for_times():
    """As text, seconds or timedelta; a 2-D array and arrays of different lengths are several series."""
    one = awry.detect(VALUE, interval="60s")
    assert [0, 60_000] == one["time"][:2].tolist()
    for interval in (60, timedelta(minutes=1), "1m"):
        same(one, awry.detect(VALUE.tolist(), interval=interval))
    two = awry.detect(np.column_stack([VALUE, -VALUE]), interval=60)
    assert ["series_0", "series_1"] == list(dict.fromkeys(two["series"].tolist()))
    same(one, {k: v[:N] for k, v in two.items()})
    uneven = awry.detect({"a": VALUE, "b": VALUE[:50]}, interval=60)
    assert (N, 50) == ((uneven["series"] == "a").sum(), (uneven["series"] == "b").sum())
    same(one, {k: v[:N] for k, v in uneven.items()})


def test_order_of_rows_does_not_matter(plain):
    """Rows are sorted by series and time; NaN is no observation."""
    order = np.random.default_rng(3).permutation(N)
    same(plain, awry.detect({"time": SECONDS[order], "load": VALUE[order]}))
    gap = VALUE.copy()
    gap[200] = np.nan
    out = awry.detect(gap, time=SECONDS)
    assert np.isnan(out["score"][200])
    assert not np.isnan(out["score"][201])


@pytest.mark.parametrize(
    ("data", "options", "cause"),
    [
        (VALUE, {}, "no time column"),
        (VALUE, {"interval": "soon"}, "interval"),
        (VALUE, {"interval": -1}, "interval"),
        (VALUE, {"interval": 60, "detector": "magic"}, "detector"),
        (VALUE, {"time": SECONDS[:-1]}, "cannot read the table"),
        ({"time": SECONDS, "load": VALUE}, {"time": "when"}, "when"),
        ("cpu.csv", {"interval": 60}, "cannot read a str"),
        (np.zeros((2, 2, 2)), {"interval": 60}, "3 dimensions"),
        (pd.DataFrame(np.zeros((2, 3)), columns=["time", "a", "a"]), {}, "unique"),
        ({"time": [1, 2], "host": ["a", "b"]}, {}, "column of numbers"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_a_hint(data, options, cause):
    """InvalidInput names the cause."""
    with pytest.raises(InvalidInput, match=cause) as caught:
        awry.detect(data, **options)
    assert caught.value.hint


def test_an_empty_table_gives_an_empty_table():
    """All columns, no rows."""
    out = awry.detect(pl.DataFrame({"time": [], "value": []}, schema={"time": pl.Int64, "value": pl.Float64}))
    assert ((0, 10), list(COLUMNS)) == (out.shape, out.columns)


class Count:
    """A judge that scores with the number of rows its series had before."""

    parts = ("none",)

    def grow(self, slots: int) -> None:
        """Fresh counts."""
        self.seen = np.zeros(slots)

    def step(self, batch: Batch) -> Scored:
        """Row by row."""
        out = Scored.blank(len(batch))
        for i, slot in enumerate(batch.slot):
            out.raw[i] = self.seen[slot]
            self.seen[slot] += 1
        return out


@pytest.mark.parametrize(("series", "threads"), [(1, 1), (5, 2), (5000, 2), (5000, 1), (4097, 3)])
def test_groups_and_threads_change_nothing(series, threads):
    """Every series sees all its rows, in order, whatever the number of threads; progress ends at all rows."""
    counts = np.arange(series) % 3 + 1
    slot = np.repeat(np.arange(series), counts)
    batch = Batch.of(slot, np.arange(len(slot)), np.zeros(len(slot)))
    said: list[tuple[int, int]] = []
    out = score_table(batch, series, Count, threads=threads, progress=lambda *s: said.append(s))
    assert np.concatenate([np.arange(c) for c in counts]).tolist() == out.raw.tolist()
    assert (len(slot), len(slot)) == said[-1]


def test_threads_give_the_same_bits_with_the_default_detector():
    """Ten series on one and on two threads."""
    slot = np.repeat(np.arange(10), 200)
    batch = Batch.of(slot, np.tile(np.arange(200) * 60_000, 10), np.random.default_rng(5).normal(size=2000))
    one, two = (score_table(batch, 10, make_judge, threads=t) for t in (1, 2))
    for name in ("raw", "score", "segment", "expected", "low", "high", "part"):
        np.testing.assert_array_equal(getattr(one, name), getattr(two, name))


@pytest.mark.parametrize(
    ("text", "ms"), [("60s", 60_000), ("1h30m", 5_400_000), ("250ms", 250), (0.5, 500), ("90", 90_000), ("1d", 86_400_000)]
)
def test_durations(text, ms):
    """As people write them."""
    assert ms == duration_ms(text)


@pytest.mark.parametrize("name", ["awry.library.detect", "awry.library.stream", "awry.library.durations"])
def test_examples_in_docstrings_run(name):
    """What the documentation shows is so."""
    result = doctest.testmod(importlib.import_module(name))
    assert (0, True) == (result.failed, result.attempted > 0)


def test_a_time_zone_moves_the_profile_and_nothing_else_is_asked() -> None:
    """A week in Kathmandu is scored as the same samples 5:45 h later in UTC; without a holiday in it, holidays change nothing."""
    rows = np.arange(7 * 288)
    seconds = 1_704_672_000 + 300 * rows
    value = 9 * np.sin(rows / 288 * 2 * np.pi) + np.random.default_rng(3).normal(0, 1, len(rows))
    there = awry.detect(value, time=seconds, time_zone="Asia/Kathmandu")
    same(awry.detect(value, time=seconds + 20_700), there, "expected", "score", "segment")
    assert seconds[0] * 1000 == np.asarray(there["time"])[0]
    same(there, awry.detect(value, time=seconds, time_zone="Asia/Kathmandu", holidays="NO"), "score")


def test_places_nobody_knows_and_detectors_without_hours_are_refused() -> None:
    """A zone that does not exist is answered with the nearest; a detector that knows no hours says so."""
    with pytest.raises(InvalidInput, match="time zone 'Asia/Katmandoo'") as caught:
        awry.detect(VALUE, time=SECONDS, time_zone="Asia/Katmandoo")
    assert "did you mean" in caught.value.hint
    with pytest.raises(InvalidInput, match="knows no hours"):
        awry.detect(VALUE, time=SECONDS, detector="ewma", time_zone="Asia/Tokyo")


def test_auto_keeps_local_hours_too() -> None:
    """The detector "auto" takes time zone and holidays as the default detector does."""
    rows = np.arange(3 * 288)
    value = 9 * np.sin(rows / 288 * 2 * np.pi) + np.random.default_rng(3).normal(0, 1, len(rows))
    place = {"time": 1_704_672_000 + 300 * rows, "time_zone": "Asia/Kathmandu"}
    same(awry.detect(value, **place), awry.detect(value, **place, detector="auto"), "expected", "score", "segment")
