"""`awry.detect`: scores of a whole table, whatever kind of table it is; for notebooks and scripts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from awry.core.batch import Scored
from awry.core.errors import InvalidInput
from awry.core.protocols import Judge
from awry.formats.columns import Choice, Table
from awry.library.durations import duration_ms
from awry.library.judges import Progress, local_judge, make_judge, parts, score_siblings, score_table

COLUMNS = ("series", "time", "value", "expected", "low", "high", "raw", "score", "segment", "part")
"""Columns of the answer, in this order."""


def detect(
    data: Any,
    *,
    time: Any = None,
    interval: str | float | timedelta | None = None,
    series: str = "",
    value: str = "",
    detector: str | Callable[[], Judge] = "default",
    time_zone: str = "UTC",
    holidays: str = "",
    siblings_by: str = "",
    threads: int | None = None,
    progress: Progress | None = None,
) -> Any:
    """Score every sample of a table: how strange is it, given all that came before it in its series?

    Each sample is scored with what was learned from earlier samples only, then learned from: the scores are those that a
    running server would have given. There is nothing to fit and nothing to tune.

    Parameters
    ----------
    data : pandas or polars DataFrame or Series, mapping of arrays, array
        Long (columns for series or labels, time, value) or wide (time and one column per series); columns are recognised by
        name and content. A pandas DatetimeIndex is a time column. A mapping of arrays is a table too, or, with arrays of
        different lengths, one series each. A 1-D array is one series, a 2-D array one series per column.
    time : str or array, optional
        Name of the time column, or the time stamps themselves: datetimes, ISO 8601 text, or numbers (seconds to
        nanoseconds since 1970, by their size). Where no zone is given, UTC is assumed.
    interval : str, float or timedelta, optional
        Distance between samples where there are no time stamps: "60s", "5m", or seconds. Times then count from 0.
    series, value : str, optional
        Names of the series column and of the value column of the long form, where recognition errs.
    detector : str or callable, optional
        Name of a detector: "default", "records" (``raw`` almost all from the record head, best for small faults), "lean", or any
        other of the reference; "peers" compares the series with each other, time by time; "auto" lets each series have the one
        that its samples ask for, as a server does; or a function that makes a judge (`awry.core.protocols.Judge`).
    time_zone : str, optional
        IANA time zone in which the series live, such as "Europe/Berlin": their profiles of the day and the week keep its
        hours. It does not change how times are read.
    holidays : str, optional
        Country, or part of one, whose public holidays are to be expected like Sundays: "DE", "DE-BY", "US-CA". Needs the
        package ``holidays`` (``pip install 'awry[holidays]'``).
    siblings_by : str, optional
        For the detector "peers": the label in which alone a series and its siblings differ, such as "host". Without it, all
        series of the table are siblings.
    threads : int, optional
        Threads to use; by default one per core. The scores do not depend on it.
    progress : callable, optional
        Called as ``progress(rows_done, rows)`` now and then.

    Returns
    -------
    table of the kind that came in (pandas -> pandas, polars -> polars, anything else -> dict of NumPy arrays)
        One row per sample, ordered by series (of first sight) and time, with the columns

        - ``series``, ``time`` (as it came: datetimes, else Unix milliseconds), ``value``
        - ``expected``, ``low``, ``high``: the value the detector thought would come, and its band
        - ``raw``: strength of the strangeness, for ranking; not comparable between unlike series
        - ``score``: 0 to 1, marks onsets, comparable everywhere: 0.3 is one in a thousand, 0.5 one in a hundred thousand
        - ``segment``: the same scale, stays high while the series is abnormal
        - ``part``: the component that spoke loudest, in a word, "none" where nothing did

        A missing value (NaN) is no observation: nothing is learned, and it has no scores. Scores are NaN during warm-up
        (null in polars and Arrow tables).
        Rows that are no samples (no time, not a number, infinite, the same series and time again) are left out.

    Raises
    ------
    awry.core.errors.InvalidInput
        When the table cannot be understood; ``hint`` says what to do.

    Examples
    --------
    >>> import awry, numpy as np
    >>> load = np.sin(np.arange(3000) / 20) + np.random.default_rng(0).normal(0, 0.1, 3000)
    >>> load[2500:2510] += 5
    >>> table = awry.detect(load, interval="60s")
    >>> 2500 <= int(np.nanargmax(table["raw"])) <= 2510
    True
    >>> bool(table["score"][2500] > 0.3)
    True

    With a frame, the answer is a frame:

    >>> import polars as pl
    >>> frame = pl.DataFrame({"time": range(3000), "load": load}).with_columns(pl.col("time") * 60 + 1_700_000_000)
    >>> awry.detect(frame).filter(pl.col("score") > 0.3)["series"].unique().to_list()
    ['load']
    """
    from awry.library.frames import answer, read_any

    choice = Choice(time if isinstance(time, str) else "", series, value)
    read = read_any(data, time=time, choice=choice, interval_ms=None if interval is None else duration_ms(interval))
    scored = score(read.table, detector, time_zone, holidays, siblings_by, threads=threads, progress=progress)
    return answer(read, columns_of(read.table, scored, detector().parts if callable(detector) else parts(detector)))


def score(
    table: Table,
    detector: str | Callable[[], Judge] = "default",
    time_zone: str = "UTC",
    holidays: str = "",
    siblings_by: str = "",
    *,
    threads: int | None = None,
    progress: Progress | None = None,
) -> Scored:
    """Scores of samples that were read already."""
    if siblings_by and detector != "peers":
        raise InvalidInput("cannot use siblings_by with a detector that looks at no siblings", hint='use the detector "peers"')
    if detector == "peers":
        local_judge(lambda: make_judge("peers"), time_zone, holidays)()
        return score_siblings(table.batch, table.keys, siblings_by, progress=progress)
    make = local_judge(detector if callable(detector) else lambda: make_judge(detector), time_zone, holidays)
    return score_table(table.batch, len(table.keys), make, progress=progress, threads=threads)


def columns_of(table: Table, scored: Scored, parts: Sequence[str]) -> dict[str, np.ndarray[Any, Any]]:
    """The answer's columns as arrays, in the order of COLUMNS; `parts` are the words that `scored.part` points into."""
    keys = np.array([*table.keys, ""], dtype=object)[:-1]
    batch = table.batch
    values = (
        keys[batch.slot],
        batch.time,
        batch.value,
        scored.expected,
        scored.low,
        scored.high,
        scored.raw,
        scored.score,
        scored.segment,
        np.array(parts, dtype=object)[scored.part],
    )
    return dict(zip(COLUMNS, values, strict=True))
