"""A frame in long or wide form -> samples by series, in order of time, with what was refused; for files and the library.

Long is one row per sample: a series column or label columns, a time column, a value column. Wide is one row per moment: a time
column and one column per series. Columns are recognised by name and by what is in them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import polars as pl
from numpy.typing import NDArray

from awry.core.batch import Batch, Slots, Times, Values
from awry.core.errors import InvalidInput, InvalidSelector
from awry.core.series_key import format_key
from awry.formats.times import LATEST, UNREADABLE, ReadTimes, read_times

TIME_NAMES = (
    "time",
    "timestamp",
    "ts",
    "datetime",
    "date",
    "ds",
    "date_time",
    "@timestamp",
    "_time",
    "epoch",
    "unixtime",
    "unix",
    "t",
)
SERIES_NAMES = ("series", "metric", "unique_id", "item_id", "series_id", "key", "name", "id")
VALUE_NAMES = ("value", "val", "y", "_value", "v")
MOST_COLUMNS = 100_000
"""Wide frames may have this many series."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which columns mean what, where the names do not say it; "" leaves it to recognition."""

    time: str = ""
    series: str = ""
    value: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Samples by series: slots number `keys`, rows are ordered by slot and rise in time within one."""

    keys: list[str]
    batch: Batch
    refused: dict[str, int] = field(default_factory=dict)
    """Reason -> how many cells were left out: bad_time, bad_value, bad_key, infinite, out_of_range, duplicate."""
    notes: tuple[str, ...] = ()
    """How the frame was understood, in sentences for people."""
    interval_ms: int = 0
    """Distance of rows whose times were made up from 0; 0 where times were read."""


def read_columns(
    frame: pl.DataFrame, *, choice: Choice | None = None, interval_ms: int | None = None, name: str = "value"
) -> Table:
    """Samples of a frame. Raises InvalidInput when there is no time column and no `interval_ms`, or nothing to score.

    name: the key of the only series, when neither a column nor a label names it.
    """
    choice = choice or Choice()
    for wanted in (choice.time, choice.series, choice.value):
        if wanted and wanted not in frame.columns:
            raise InvalidInput(f"cannot find the column {wanted!r}", hint=f"the columns are {_some(frame.columns)}")
    time_name, times = _find_time(frame, choice.time)
    if times is None and interval_ms is None:
        raise InvalidInput(
            f"cannot tell when the samples were taken: no time column among {_some(frame.columns)}",
            hint=_time_hint(frame),
        )
    notes = [
        f"time is column {time_name!r}, read as {times.how}"
        if times
        else f"no time column: rows are {(interval_ms or 0) / 1000:g} s apart"
    ]
    rest = [c for c in frame.columns if c != time_name]
    series_name = choice.series or _named(rest, SERIES_NAMES, exclude=choice.value)
    if series_name and not choice.series and _is_number(frame[series_name]) and not _named(rest, VALUE_NAMES):
        series_name = ""
    value_names, labels, ignored = _roles(frame, rest, series_name, choice.value)
    if not value_names:
        raise InvalidInput(
            f"cannot find a column of numbers among {_some(frame.columns)}",
            hint="say which column holds the values (--value, in Python value=)",
        )
    if ignored:
        notes.append(f"columns not used: {_some(ignored)}")
    keys, slot = _series(frame, value_names, series_name, labels, name)
    value, bad, example = _values(frame, value_names)
    if example:
        comma = "; decimals are written with a point" if "," in example else ""
        notes.append(f"cells that are no numbers, such as {example[:40]!r}, are left out{comma}")
    rows = frame.height
    time = np.tile(times.ms, len(value_names)) if times else _made_times(slot, interval_ms or 0)
    if rows == 0:
        notes.append("it has no rows")
    return _clean(keys, slot, time, value, bad, notes, 0 if times else interval_ms or 0)


def _time_hint(frame: pl.DataFrame) -> str:
    strange = next((c for c in frame.columns if c.lower() in TIME_NAMES), "")
    if strange:
        return f"the column {strange!r} is neither Unix seconds or milliseconds nor ISO 8601 like 2024-01-31 18:00:00"
    return "say which column holds the times (--time, in Python time=), or how far apart the rows are (--interval 60s)"


def _find_time(frame: pl.DataFrame, wanted: str) -> tuple[str, ReadTimes | None]:
    if wanted:
        times = read_times(frame[wanted]) if frame.height else ReadTimes(np.zeros(0, np.int64), "nothing")
        if times is None:
            raise InvalidInput(
                f"cannot read times from the column {wanted!r}",
                hint="use Unix seconds, milliseconds or ISO 8601 like 2024-01-31 18:00:00",
            )
        return wanted, times
    ranked = sorted((c for c in frame.columns if c.lower() in TIME_NAMES), key=lambda c: TIME_NAMES.index(c.lower()))
    unnamed = [c for c in frame.columns if c not in ranked and not _is_number(frame[c])]
    for column in ranked + unnamed:
        if frame.height == 0 and column in ranked:
            return column, ReadTimes(np.zeros(0, np.int64), "nothing")
        if column in ranked or frame[column].dtype.is_temporal() or _looks_like_time(frame[column]):
            times = read_times(frame[column])
            if times is not None:
                return column, times
    return "", None


def _looks_like_time(column: pl.Series) -> bool:
    """Whether the first cells are written as dates; a column of numbers needs a name to be a time."""
    if column.dtype != pl.String:
        return False
    sample = column.drop_nulls().head(20)
    return not sample.is_empty() and bool(sample.str.contains(r"^\s*\d{4}[-/.]\d{1,2}[-/.]\d{1,2}").all())


def _named(columns: Sequence[str], names: Sequence[str], exclude: str = "") -> str:
    found = {c.lower(): c for c in reversed(columns) if c != exclude}
    return next((found[n] for n in names if n in found), "")


def _is_number(column: pl.Series) -> bool:
    if column.dtype.is_numeric() or column.dtype == pl.Boolean:
        return True
    if column.dtype != pl.String:
        return False
    sample = column.drop_nulls().head(200).str.strip_chars()
    sample = sample.filter(sample != "")
    return sample.is_empty() or sample.cast(pl.Float64, strict=False).null_count() * 2 < sample.len()


def _roles(frame: pl.DataFrame, rest: list[str], series: str, wanted: str) -> tuple[list[str], list[str], list[str]]:
    """Columns of values, of labels, and the others."""
    rest = [c for c in rest if c != series]
    numbers = [c for c in rest if c == wanted or c.lower() == "value" or _is_number(frame[c])]
    labels = [c for c in rest if c not in numbers and frame[c].dtype in (pl.String, pl.Categorical, pl.Enum)]
    value = wanted or _named(numbers, VALUE_NAMES)
    chosen = [value] if value else numbers
    if series:
        chosen = chosen[:1]
    if len(chosen) > MOST_COLUMNS:
        raise InvalidInput(f"cannot read {len(chosen)} columns as series: the limit is {MOST_COLUMNS}", hint="use the long form")
    return chosen, labels, [c for c in rest if c not in chosen and c not in labels]


def _series(frame: pl.DataFrame, values: list[str], series: str, labels: list[str], name: str) -> tuple[list[str], Slots]:
    """Keys in order of first sight, and the slot of each cell, column after column; -1 where the series has no name."""
    by = ([series] if series else []) + labels
    if not by:
        keys = [name if len(values) == 1 and c.lower() in VALUE_NAMES else c for c in values]
        return keys, np.repeat(np.arange(len(values), dtype=np.int32), frame.height)
    text = frame.select(pl.col(c).cast(pl.String) for c in by)
    groups = text.unique(maintain_order=True).with_row_index("\x00slot")
    group = text.join(groups, on=by, how="left", nulls_equal=True, maintain_order="left")["\x00slot"].to_numpy().astype(np.int32)
    keys, slots = [], []
    known: dict[str, int] = {}
    number = np.empty((len(values), groups.height), np.int32)
    for at, column in enumerate(values):
        plain = name if column.lower() in VALUE_NAMES else column
        for row, cells in enumerate(groups.select(by).iter_rows()):
            key = _key(cells, by, series, plain)
            number[at, row] = known.setdefault(key, len(known)) if key else -1
        slots.append(number[at][group])
    keys = list(known)
    return keys, np.concatenate(slots)


def _key(cells: tuple[str | None, ...], by: list[str], series: str, plain: str) -> str:
    """The key of one group: the text of the series column as it stands, with labels if there are any; "" for none."""
    if series and not cells[0]:
        return ""
    if series and len(by) == 1:
        return cells[0] or ""
    name = cells[0] if series else plain
    pairs = zip(by[1:], cells[1:], strict=True) if series else zip(by, cells, strict=True)
    try:
        return format_key(name or plain, {k: v for k, v in pairs if v})
    except InvalidSelector:
        return ""


def _values(frame: pl.DataFrame, names: list[str]) -> tuple[Values, NDArray[np.bool_], str]:
    """Cells of the value columns, column after column, NaN where empty; which of them are not numbers; and one of those."""
    example = ""
    value, bad = np.empty(len(names) * frame.height), np.zeros(len(names) * frame.height, np.bool_)
    for at, name in enumerate(names):
        column = frame[name]
        place = slice(at * frame.height, (at + 1) * frame.height)
        if column.dtype == pl.String:
            text = column.str.strip_chars()
            column = text.cast(pl.Float64, strict=False)
            empty = text.is_null() | text.str.to_lowercase().is_in(["", "nan", "null", "na", "n/a", "none", "-"])
            wrong = column.is_null() & ~empty
            bad[place] = wrong.to_numpy()
            if not example and wrong.any():
                example = str(text.filter(wrong)[0])
        value[place] = column.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy()
    return value, bad, example


def _made_times(slot: Slots, interval_ms: int) -> Times:
    """Row k of each series is k intervals after 0."""
    order = np.argsort(slot, kind="stable")
    counts = np.unique(slot, return_counts=True)[1]
    within = np.arange(len(slot)) - np.repeat(np.cumsum(counts) - counts, counts)
    time = np.empty(len(slot), np.int64)
    time[order] = within * interval_ms
    return time


def _clean(
    keys: list[str], slot: Slots, time: Times, value: Values, bad: NDArray[np.bool_], notes: list[str], interval_ms: int
) -> Table:
    """Refuse what is no sample, sort by series and time, drop what is there twice (the first stays)."""
    refused: dict[str, int] = {}
    keep = np.ones(len(slot), np.bool_)
    for reason, wrong in (
        ("bad_key", slot < 0),
        ("bad_time", time == UNREADABLE),
        ("out_of_range", (time < 0) | (time >= LATEST)),
        ("bad_value", bad),
        ("infinite", np.isinf(value)),
    ):
        count = int(np.count_nonzero(keep & wrong))
        if count:
            refused[reason] = count
            keep &= ~wrong
    if not keep.all():
        slot, time, value = slot[keep], time[keep], value[keep]
    if not _ordered(slot, time):
        order = _order(slot, time)
        moved = int(np.count_nonzero((np.diff(time) < 0) & (np.diff(slot) == 0)))
        slot, time, value = slot[order], time[order], value[order]
        if moved:
            notes.append(f"rows were not in order of time ({moved:,} steps back): sorted")
    twice = np.append(False, (np.diff(time) == 0) & (np.diff(slot) == 0)) if len(slot) else np.zeros(0, np.bool_)
    if twice.any():
        refused["duplicate"] = int(np.count_nonzero(twice))
        slot, time, value = slot[~twice], time[~twice], value[~twice]
    return Table(keys, Batch.of(slot, time, value), refused, tuple(notes), interval_ms)


def _order(slot: Slots, time: Times) -> NDArray[np.intp]:
    """Rows by slot, then time, then place; quick for files that are in order of time, as most with many series are."""
    if (np.diff(time) >= 0).all():
        return np.argsort(slot.astype(np.uint16) if slot.max() < 65_536 else slot, kind="stable")
    return np.lexsort((time, slot))


def _ordered(slot: Slots, time: Times) -> bool:
    step = np.diff(slot)
    return bool(((step > 0) | ((step == 0) & (np.diff(time) >= 0))).all())


def _some(columns: Sequence[str]) -> str:
    return ", ".join(columns[:8]) + (f" and {len(columns) - 8} more" if len(columns) > 8 else "")
