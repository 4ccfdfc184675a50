"""Tables of users (pandas, polars, mappings, arrays) in and out of columns; for `awry.detect`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl

from awry.core.errors import InvalidInput
from awry.formats.columns import TIME_NAMES, Choice, Table, read_columns

_HINT = "give a pandas or polars frame, a mapping of arrays, or one array with time= or interval="


@dataclass(frozen=True, slots=True)
class Read:
    """A user's table as samples by series, and what is needed to answer in kind."""

    table: Table
    namespace: Any
    """The module of the frame library it came from; None for mappings and arrays."""
    zone: str | None
    """Zone of its time stamps: "" for naive ones, None when times were numbers or text."""


def read_any(data: Any, *, time: Any, choice: Choice, interval_ms: int | None) -> Read:
    """Samples of anything `awry.detect` takes. Raises InvalidInput."""
    try:
        given = nw.from_native(data, pass_through=True, allow_series=True)
    except nw.exceptions.NarwhalsError as error:
        raise InvalidInput(f"cannot read the table: {str(error).splitlines()[0][:200]}", hint=_HINT) from error
    namespace = None
    if isinstance(given, nw.LazyFrame):
        given = given.collect()
    if isinstance(given, nw.DataFrame):
        namespace = given.implementation.to_native_namespace()
        frame = _polars(given, time)
    elif isinstance(given, nw.Series):
        namespace = given.implementation.to_native_namespace()
        index = getattr(data, "index", None)
        stamps = index if time is None and _is_stamps(index) else time
        frame = _columns({(given.name or "value"): given.to_numpy()}, stamps)
    elif isinstance(data, Mapping):
        uneven = len({len(np.atleast_1d(v)) for v in data.values()}) > 1
        frame = _stacked(data) if uneven else _columns({str(k): v for k, v in data.items()}, time)
    else:
        frame = _of_array(data, time)
    if not isinstance(time, str) and time is not None:
        choice = Choice(_TIME, choice.series, choice.value)
    table = read_columns(frame, choice=choice, interval_ms=interval_ms)
    return Read(table, namespace, _zone(frame, choice.time))


_TIME = "time"


def _polars(frame: nw.DataFrame[Any], time: Any) -> pl.DataFrame:
    if frame.implementation.is_polars():
        native: pl.DataFrame = frame.to_native()
        return native if time is None or isinstance(time, str) else native.with_columns(_series(_TIME, time))
    columns: dict[str, Any] = {}
    index = nw.maybe_get_index(frame)
    if index is not None and time is None and not any(str(c).lower() in TIME_NAMES for c in frame.columns) and _is_stamps(index):
        columns[str(getattr(index, "name", None) or _TIME)] = index
    for column in frame.iter_columns():
        columns[str(column.name)] = _plain(column)
    return _columns(columns, None if isinstance(time, str) else time)


def _plain(column: nw.Series[Any]) -> Any:
    """A column as an array; other things than numbers and pandas' time stamps as a list with None for missing ones."""
    if column.dtype.is_numeric():
        return column.to_numpy()
    native = column.to_native()
    if isinstance(column.dtype, nw.Datetime) and hasattr(native, "array"):
        return native.array
    return [None if cell != cell else cell for cell in column.to_list()]


def _is_stamps(index: Any) -> bool:
    return str(getattr(index, "dtype", "")).startswith("datetime64")


def _columns(columns: dict[str, Any], time: Any) -> pl.DataFrame:
    if time is not None and not isinstance(time, str):
        columns = {_TIME: time, **{k: v for k, v in columns.items() if k != _TIME}}
    try:
        return pl.DataFrame([_series(name, values) for name, values in columns.items()])
    except (pl.exceptions.PolarsError, TypeError, ValueError) as error:
        raise InvalidInput(f"cannot read the table: {str(error).splitlines()[0][:200]}", hint=_HINT) from error


def _series(name: str, values: Any) -> pl.Series:
    """A column of anything array-like; pandas' time stamps keep their zone."""
    if isinstance(values, pl.Series):
        return values.alias(name)
    zone = getattr(getattr(values, "dtype", None), "tz", None)
    if zone is not None:
        plain = np.asarray(values.tz_convert("UTC").tz_localize(None)).astype("datetime64[ms]")
        return pl.Series(name, plain).dt.replace_time_zone("UTC").dt.convert_time_zone(str(zone))
    if not isinstance(values, Sequence):
        values = np.asarray(values)
        if values.dtype.kind == "M":
            values = values.astype("datetime64[ms]")
        elif values.dtype.kind in "OU":
            values = values.tolist()
    if isinstance(values, Sequence) and values and isinstance(next((v for v in values if v is not None), None), datetime | date):
        return pl.Series(name, values)
    return pl.Series(name, values, strict=False)


def _stacked(data: Mapping[Any, Any]) -> pl.DataFrame:
    """Arrays of different lengths: one series each, in long form without times."""
    arrays = {str(k): np.asarray(v, np.float64).ravel() for k, v in data.items()}
    names = np.repeat(np.array(list(arrays), dtype=object), [len(v) for v in arrays.values()]).tolist()
    return pl.DataFrame({"series": pl.Series(names, dtype=pl.String), "value": np.concatenate(list(arrays.values()))})


def _of_array(data: Any, time: Any) -> pl.DataFrame:
    try:
        values = np.asarray(data, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"cannot read a {type(data).__name__} as samples: {str(error)[:200]}", hint=_HINT) from error
    if values.ndim not in (1, 2):
        raise InvalidInput(f"cannot read an array of {values.ndim} dimensions", hint="give one dimension, or rows by series")
    if values.ndim == 1:
        return _columns({"value": values}, time)
    return _columns({f"series_{k}": np.ascontiguousarray(values[:, k]) for k in range(values.shape[1])}, time)


def _zone(frame: pl.DataFrame, time: str) -> str | None:
    named = [time] if time else [c for c in frame.columns if c.lower() in TIME_NAMES] + frame.columns
    kind = next((frame.schema[c] for c in named if frame.schema[c].is_temporal()), None)
    if kind is None or (
        named and named[0] in frame.columns and not frame.schema[named[0]].is_temporal() and named[0].lower() in TIME_NAMES
    ):
        return None
    return (kind.time_zone or "") if isinstance(kind, pl.Datetime) else ""


def answer(read: Read, columns: dict[str, np.ndarray[Any, Any]]) -> Any:
    """The columns as the kind of table that came in; `columns["time"]` is int64 Unix ms, `columns["series"]` text."""
    if read.namespace is None or not hasattr(read.namespace, "DataFrame"):
        if read.zone is not None:
            columns["time"] = columns["time"].astype("datetime64[ms]")
        if read.namespace is None:
            return columns
        frame = _typed(pl.DataFrame(columns), read.zone)
        return nw.from_dict({c: frame[c] for c in frame.columns}, backend=read.namespace).to_native()
    if read.namespace.__name__ == "polars":
        keys = pl.Series("series", read.table.keys, dtype=pl.String).gather(read.table.batch.slot)
        frame = pl.DataFrame([keys, *(pl.Series(k, v) for k, v in columns.items() if k != "series")])
        return _typed(frame, read.zone)
    table = read.namespace.DataFrame(columns)
    if read.zone is not None:
        stamps = read.namespace.to_datetime(table["time"], unit="ms", utc=True)
        table["time"] = (stamps.dt.tz_convert(read.zone) if read.zone else stamps.dt.tz_localize(None)).astype(
            f"datetime64[ms, {read.zone}]" if read.zone else "datetime64[ms]"
        )
    return table


def _typed(frame: pl.DataFrame, zone: str | None) -> pl.DataFrame:
    """Missing numbers as null, which comparisons skip (NaN would count as the greatest), and times of the right kind."""
    frame = frame.with_columns(pl.col(pl.Float32, pl.Float64).fill_nan(None))
    if zone is None or frame.schema["time"].is_temporal():
        return frame
    stamps = pl.col("time").cast(pl.Datetime("ms"))
    return frame.with_columns(stamps.dt.replace_time_zone("UTC").dt.convert_time_zone(zone) if zone else stamps)
