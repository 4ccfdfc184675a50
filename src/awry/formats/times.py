"""Columns of time stamps in any common writing -> Unix milliseconds; for files and frames."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl

from awry.core.batch import Times

UNREADABLE = np.iinfo(np.int64).min
"""Stands in a column of times for a cell that is not a time."""
LATEST = 253_402_300_800_000
"""Unix ms of the year 10000; times lie in [0, this)."""
SECONDS_BELOW, MILLISECONDS_BELOW, MICROSECONDS_BELOW = 1e11, 1e14, 1e17
"""Which unit a number of a time column has, by the size of the column's largest ordinary value: 1e11 s is the year 5138."""
_ISO = (
    r"^\s*(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(?:[T ]\s*(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(?:(Z|z|UTC|GMT)|([+-])(\d{2}):?(\d{2})?)?\s*$"
)


@dataclass(frozen=True, slots=True)
class ReadTimes:
    """A column of times, and how it was read."""

    ms: Times
    """Unix milliseconds, UNREADABLE where the cell is none."""
    how: str
    """"seconds", "milliseconds", "ISO 8601, UTC assumed"… for people."""


def read_times(column: pl.Series) -> ReadTimes | None:
    """The column as Unix milliseconds, or None when most of it is no time at all.

    Numbers are seconds, milliseconds, microseconds or nanoseconds by their size; text is a number or ISO 8601 with or without
    T, seconds, a fraction and a zone (UTC assumed without one).
    """
    kind = column.dtype
    if kind == pl.Date:
        return ReadTimes(_integers(column.cast(pl.Datetime("ms"))), "dates, midnight UTC")
    if isinstance(kind, pl.Datetime):
        how = f"time stamps of zone {kind.time_zone}" if kind.time_zone else "time stamps, UTC assumed"
        return ReadTimes(_integers(column.dt.cast_time_unit("ms")), how)
    if kind.is_numeric():
        return _numbers(column.cast(pl.Float64) if kind.is_float() or kind.is_decimal() else column.cast(pl.Int64, strict=False))
    if kind == pl.String:
        return _text(column)
    return None


def _integers(column: pl.Series) -> Times:
    return column.cast(pl.Int64).fill_null(UNREADABLE).to_numpy().astype(np.int64, copy=False)


def _numbers(column: pl.Series) -> ReadTimes | None:
    if column.dtype == pl.Float64:
        column = pl.select(pl.when(column.is_finite()).then(column)).to_series()
    size = column.drop_nulls().abs().quantile(0.9)
    if size is None:
        return None
    if size < SECONDS_BELOW:
        how, factor, divisor = "seconds", 1000, 1
    elif size < MILLISECONDS_BELOW:
        how, factor, divisor = "milliseconds", 1, 1
    elif size < MICROSECONDS_BELOW:
        how, factor, divisor = "microseconds", 1, 1000
    else:
        how, factor, divisor = "nanoseconds", 1, 1_000_000
    fits = column.abs() <= 2**62 // factor
    column = pl.select(pl.when(fits).then(column)).to_series()
    if column.dtype == pl.Float64:
        return ReadTimes(_integers((column * factor / divisor).round()), how)
    return ReadTimes(_integers(column * factor // divisor), how)


def _text(column: pl.Series) -> ReadTimes | None:
    known = column.len() - column.null_count()
    sample = column.drop_nulls().head(200)
    if sample.is_empty():
        return None
    as_number = sample.str.strip_chars().cast(pl.Float64, strict=False)
    if as_number.null_count() * 2 < sample.len():
        whole = column.str.strip_chars().cast(pl.Int64, strict=False)
        return _numbers(
            whole if whole.null_count() == column.null_count() else column.str.strip_chars().cast(pl.Float64, strict=False)
        )
    if sample.str.contains(_ISO).sum() * 2 < sample.len():
        return None
    for form in ("%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S"):  # the common case, five times as fast as the general one
        plain = column.str.to_datetime(form, strict=False, time_unit="ms")
        if plain.len() - plain.null_count() == known:
            return ReadTimes(_integers(plain), "ISO 8601, UTC assumed")
    return _iso(column)


def _iso(column: pl.Series) -> ReadTimes:
    """Any ISO 8601 form of _ISO, zones of all kinds mixed."""
    part = [pl.col("x").str.extract(_ISO, group) for group in range(12)]
    number = [p.cast(pl.Int32, strict=False).fill_null(0) for p in part]
    milliseconds = part[7].str.pad_end(3, "0").str.slice(0, 3).cast(pl.Int64, strict=False).fill_null(0)
    offset = (number[10] * 60 + number[11]).cast(pl.Int64) * 60_000
    east = pl.when(part[9] == "-").then(-offset).otherwise(offset)
    valid = (number[2].is_between(1, 12)) & number[3].is_between(1, 31) & (number[4] < 24) & (number[5] < 60) & (number[6] < 60)
    text = pl.format("{}-{}-{}", part[1], part[2].str.zfill(2), part[3].str.zfill(2))
    day = text.str.to_date("%Y-%m-%d", strict=False).cast(pl.Datetime("ms")).cast(pl.Int64)
    clock = (number[4].cast(pl.Int64) * 3600 + number[5] * 60 + number[6]) * 1000
    frame = (
        column.alias("x")
        .to_frame()
        .select(
            ms=pl.when(valid).then(day + clock + milliseconds - east),
            zoned=part[8].is_not_null() | part[9].is_not_null(),
        )
    )
    how = "ISO 8601" if frame["zoned"].all() else "ISO 8601, UTC assumed where no zone is given"
    return ReadTimes(_integers(frame["ms"]), how)
