"""Files of every kind become samples by series: forms, times, bad cells, order, duplicates, and refusals that say why."""

from __future__ import annotations

import gzip
import io
from datetime import UTC, datetime

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from awry.core.errors import InvalidInput
from awry.formats.columns import Choice
from awry.formats.files import read_bytes, read_file
from awry.formats.times import read_times

T0 = 1_420_070_400_000


def read(text: str, **options):
    """The table of a file with this text."""
    return read_bytes(text.encode(), name="folder/cpu.csv", **options)


def rows(table) -> list[tuple[str, int, float]]:
    """Rows as (key, ms, value)."""
    batch = table.batch
    return [(table.keys[s], t, v) for s, t, v in zip(batch.slot.tolist(), batch.time.tolist(), batch.value.tolist(), strict=True)]


@pytest.mark.parametrize(
    ("cell", "ms"),
    [
        ("2015-01-01 00:00:00", T0),
        ("2015-01-01T00:00:00Z", T0),
        ("2015-01-01T01:00:00+01:00", T0),
        ("2014-12-31 19:00:00.250 -0500", T0 + 250),
        ("2015/01/01 00:00", T0),
        ("2015-01-01", T0),
        ("1420070400", T0),
        ("1420070400.5", T0 + 500),
        ("1420070400000", T0),
        ("1420070400000000", T0),
        ("1420070400000000000", T0),
    ],
)
def test_times_are_recognised(cell, ms):
    """Seconds to nanoseconds and ISO 8601 in its forms, as text or as the parser's own type."""
    assert [("cpu", ms, 1.0)] == rows(read(f"timestamp,value\n{cell},1\n"))
    assert [ms] == read_times(pl.Series([cell])).ms.tolist()


def test_typed_times_are_recognised():
    """Dates, naive and zoned time stamps of a Parquet file."""
    stamp = datetime(2015, 1, 1, tzinfo=UTC)
    for column in (pl.Series([stamp]), pl.Series([stamp.replace(tzinfo=None)]), pl.Series([stamp.date()])):
        out = io.BytesIO()
        pl.DataFrame({"when": column, "load": [2.5]}).write_parquet(out)
        assert [("load", T0, 2.5)] == rows(read_bytes(out.getvalue(), name="x.parquet"))


def test_long_form_keeps_series_text_and_adds_labels():
    """The series column is the key as it stands; other text columns become labels."""
    assert [('a{x="1"}', 1000, 1.0), ("b", 1000, 2.0)] == rows(read('series,time,value\n"a{x=""1""}",1,1\nb,1,2\n'))
    assert [('cpu{host="web-1"}', 1000, 1.0), ('cpu{host="web-2"}', 1000, 2.0)] == rows(
        read("time,host,value\n1,web-1,1\n1,web-2,2\n")
    )
    assert [('load{host="h"}', 1000, 3.0)] == rows(read("metric,time,host,y\nload,1,h,3\n"))


def test_wide_form_is_one_series_a_column():
    """Columns of numbers are series; the order of columns is the order of slots."""
    table = read("time,a,b\n1,1,10\n2,2,20\n")
    assert [("a", 1000, 1.0), ("a", 2000, 2.0), ("b", 1000, 10.0), ("b", 2000, 20.0)] == rows(table)


def test_other_columns_beside_a_value_column_are_not_series():
    """A label of truth or an old score is left alone, and it is said."""
    table = read("timestamp,value,is_anomaly\n1,1,0\n")
    assert (["cpu"], True) == (table.keys, any("is_anomaly" in note for note in table.notes))


def test_bad_cells_are_refused_and_counted_and_their_neighbours_stay():
    """One bad cell costs one sample."""
    table = read("time,value\n1,1\nlater,2\n3,high\n4,inf\n5,\n6,6\n-7,7\n")
    assert [1000, 5000, 6000] == table.batch.time.tolist()
    np.testing.assert_array_equal([1.0, np.nan, 6.0], table.batch.value)
    assert {"bad_time": 1, "bad_value": 1, "infinite": 1, "out_of_range": 1} == table.refused


def test_a_bad_cell_far_down_costs_one_sample():
    """Beyond the rows from which the parser guesses types."""
    text = "time,value\n" + "".join(f"{k},{k}\n" for k in range(5000)) + "5000,oops\n5001,1\n"
    assert (5001, {"bad_value": 1}) == ((table := read(text)).batch.time.size, table.refused)


def test_a_bad_line_of_json_costs_one_line():
    """Lines that are no JSON are counted, cells of another type refused."""
    lines = [
        '{"series": "a", "time": 1, "value": 1.25}',
        "{bad",
        '{"series": "a", "time": 2, "value": "x"}',
        '{"time": "3", "series": "a"}',
    ]
    table = read("\n".join(lines))
    assert [1000, 3000] == table.batch.time.tolist()
    np.testing.assert_array_equal([1.25, np.nan], table.batch.value)
    assert {"malformed": 1, "bad_value": 1} == table.refused


def test_short_long_and_half_quoted_rows_of_csv():
    """A missing cell is no observation, one too many is left out, a lone quote spoils its own row."""
    table = read('time,value\n1,2\n3\n4,5,6\n"7,8\n9,10\n')
    assert [1000, 3000, 4000, 9000] == table.batch.time.tolist()
    assert {"bad_time": 1} == table.refused


def test_unsorted_rows_are_sorted_and_the_first_of_equals_stays():
    """Order and duplicates, per series."""
    table = read("series,time,value\na,3,3\na,1,1\nb,1,9\na,3,4\n")
    assert [("a", 1000, 1.0), ("a", 3000, 3.0), ("b", 1000, 9.0)] == rows(table)
    assert {"duplicate": 1} == table.refused


@pytest.mark.parametrize("series", [3, 70_000])
def test_files_in_order_of_time_come_out_by_series(series):
    """Two moments of few series and of more than 16 bits count."""
    frame = pl.DataFrame(
        {"series": [f"s{k}" for k in range(series)] * 2, "time": [1] * series + [2] * series, "value": range(2 * series)}
    )
    out = io.BytesIO()
    frame.write_parquet(out)
    batch = read_bytes(out.getvalue(), name="f").batch
    assert np.repeat(np.arange(series), 2).tolist() == batch.slot.tolist()
    assert np.column_stack([np.arange(series), np.arange(series) + series]).ravel().tolist() == batch.value.tolist()


def test_nameless_series_are_refused():
    """An empty cell in the series column."""
    assert ({"bad_key": 1}, ["a"]) == ((table := read("series,time,value\n,1,1\na,1,2\n")).refused, table.keys)


def test_no_times_with_an_interval():
    """Rows get times from 0 on, per series."""
    assert [0, 60_000, 120_000] == read("value\n1\n2\n3\n", interval_ms=60_000).batch.time.tolist()
    assert [0, 60_000, 0] == read("series,value\na,1\nb,2\na,3\n", interval_ms=60_000).batch.time.tolist()


@pytest.mark.parametrize(
    "text",
    ["1420070400,21\n1420070460,22\n", '{"time": 1420070400, "value": 21}\n{"time": 1420070460, "value": 22}\n',
     '[{"time": 1420070400, "value": 21}, {"time": 1420070460, "value": 22}]', "time;value\n1420070400;21\n1420070460;22\n",
     "time\tvalue\r\n1420070400\t21\r\n1420070460\t22\r\n"],
)  # fmt: skip
def test_kinds_of_text_files(text):
    """Without a header, JSON lines, a JSON array, other separators; plain or gzipped."""
    expected = [("m", T0, 21.0), ("m", T0 + 60_000, 22.0)]
    assert expected == rows(read_bytes(text.encode(), name="m.any"))
    assert expected == rows(read_bytes(gzip.compress(text.encode()), name="m.any.gz"))


@pytest.mark.parametrize(
    ("data", "cause"),
    [
        (b"", "empty"),
        (b"  \n", "empty"),
        (b"\x7fELF\0\0\1", "binary"),
        (b"PAR1 and nothing", "cannot read x.csv"),
        (b"\x1f\x8b\x08cut", "cannot read x.csv"),
        (b"a,b\n1,2\n", "no time column"),
        (b"date,x\n01/02/2024,5\n", "no time column"),
        (b"time,host\n1,web\n", "column of numbers"),
        (b"{not json}\n", "cannot read x.csv"),
    ],
)
def test_what_is_no_table_is_refused_with_its_cause(data, cause):
    """The message names the file and the cause; a hint says what to do."""
    with pytest.raises(InvalidInput, match=cause) as caught:
        read_bytes(data, name="x.csv")
    assert caught.value.message.startswith("cannot read x.csv: ")
    assert caught.value.hint


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    """Like any other file that cannot be read."""
    for path in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(InvalidInput, match="cannot read"):
            read_file(path)


def test_columns_can_be_chosen():
    """Where names do not say it; an unknown one lists what there is."""
    text = "when_ms,load,temp\n1420070400000,1,20\n"
    assert [("temp", T0, 20.0)] == rows(read(text, choice=Choice(time="when_ms", value="temp")))
    with pytest.raises(InvalidInput, match="'when'"):
        read(text, choice=Choice(time="when"))


SAMPLES = st.lists(
    st.tuples(st.sampled_from(["a", "b b", 'c{x="y"}']), st.integers(0, 4_000_000_000), st.floats(-1e300, 1e300)),
    min_size=1,
    max_size=40,
)


@settings(max_examples=40, deadline=None)
@given(samples=SAMPLES, kind=st.sampled_from(["csv", "parquet", "jsonl"]))
def test_any_samples_come_back_sorted_and_without_duplicates(samples, kind):
    """A round trip through every kind of file gives each (series, time) once, its first value."""
    frame = pl.DataFrame(samples, schema={"series": pl.String, "time": pl.Int64, "value": pl.Float64}, orient="row")
    frame = frame.with_columns(pl.col("time") * 1000 + 10**12)
    out = io.BytesIO()
    {"csv": frame.write_csv, "parquet": frame.write_parquet, "jsonl": frame.write_ndjson}[kind](out)
    first: dict[tuple[str, int], float] = {}
    for series, time, value in frame.iter_rows():
        first.setdefault((series, time), value)
    table = read_bytes(out.getvalue(), name="f")
    assert first == {(key, time): value for key, time, value in rows(table)}
    assert len(samples) - len(first) == table.refused.get("duplicate", 0)


@settings(max_examples=60, deadline=None)
@given(data=st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data):
    """Garbage never raises anything but InvalidInput."""
    try:
        read_bytes(data, name="noise")
    except InvalidInput as error:
        message = error.message
    else:
        message = "cannot read noise: it could be read"
    assert message.startswith("cannot read noise: ")
