"""awry.Stream: cuts change nothing, what was dumped goes on bit for bit, late and repeated samples are refused and counted."""

from __future__ import annotations

import io

import numpy as np
import pytest

import awry
from awry.core.errors import InvalidInput
from awry.library.judges import make_judge
from awry.library.stream import Stream

N = 300
TIME = 60_000 * np.arange(N)
VALUE = np.random.default_rng(2).normal(size=N)
THOUGHT = ("expected", "low", "high", "raw", "score", "segment")


def joined(parts: list[dict[str, np.ndarray]]) -> dict[str, np.ndarray]:
    """Answers one after another."""
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


@pytest.mark.parametrize("cuts", [[150], [1, 2, 3], [40, 41, 200]])
def test_any_cut_and_a_dump_at_each_gives_the_scores_of_detect(cuts):
    """Stream, dump, load, go on: as awry.detect."""
    stream, parts = Stream(), []
    for rows in np.split(np.arange(N), cuts):
        parts.append(stream.push("a", TIME[rows], VALUE[rows]))
        stream = Stream.load(stream.dump())
    whole = awry.detect(VALUE, time=TIME.astype("datetime64[ms]"))
    for name in THOUGHT:
        np.testing.assert_array_equal(whole[name], joined(parts)[name], err_msg=name)


def test_series_interleaved_equal_series_alone():
    """Three series that arrive together."""
    stream = Stream()
    parts = [stream.push(["a", "b", "c"], t, [v, -v, 2 * v]) for t, v in zip(TIME.tolist(), VALUE.tolist(), strict=True)]
    alone = Stream().push("b", TIME, -VALUE)
    together = joined(parts)
    for name in THOUGHT:
        np.testing.assert_array_equal(alone[name], together[name][together["series"] == "b"])
    assert ["a", "b", "c"] == stream.series


def test_late_duplicate_and_infinite_samples_are_refused_and_cost_nothing():
    """They have no score and leave no trace; NaN is let in."""
    clean, stream = Stream(), Stream()
    clean.push("a", TIME[:200], VALUE[:200])
    stream.push("a", TIME[:100], VALUE[:100])
    out = stream.push("a", [TIME[99], TIME[98], TIME[100], TIME[100]], [5, 5, np.inf, VALUE[100]])
    stream.push("a", TIME[101:200], VALUE[101:200])
    assert {"duplicate": 1, "late": 1, "infinite": 1} == stream.refused == Stream.load(stream.dump()).refused
    assert [True, True, True, False] == np.isnan(out["score"]).tolist()
    np.testing.assert_array_equal(
        clean.push("a", TIME[200:], VALUE[200:])["score"], stream.push("a", TIME[200:], VALUE[200:])["score"]
    )
    assert np.isnan(stream.push("a", TIME[-1] + 60_000, np.nan)["score"][0])
    assert {"duplicate", "late", "infinite"} == set(stream.refused)


def test_empty_and_datetime_columns():
    """No rows in, no rows out; datetime64 is a time."""
    stream = Stream()
    assert 0 == len(stream.push([], [], [])["score"])
    assert [1_700_000_000_000] == stream.push("a", np.datetime64("2023-11-14T22:13:20"), 1.0)["time"].tolist()
    assert [] == Stream.load(Stream().dump()).series


@pytest.mark.parametrize(
    ("series", "time", "value"),
    [(["a", "b"], [1, 2, 3], [1, 2, 3]), ("a", [1, 2], [1, 2, 3]), (["a"], [1, 2], [1, 2]), ("a", [1.5], [1]), ("a", [1], ["x"])],
)
def test_columns_that_do_not_fit_are_refused(series, time, value):
    """Before anything is learned."""
    with pytest.raises(InvalidInput):
        Stream().push(series, time, value)


@pytest.mark.parametrize("data", [b"", b"noise", Stream().dump()[:100]])
def test_what_is_no_dump_is_refused(data):
    """No pickle, no surprise."""
    with pytest.raises(InvalidInput, match="cannot load a stream"):
        Stream.load(data)


def test_the_dump_of_another_layout_is_refused():
    """Rows of another length, as another version or another judge saved them, are named in words and not taken over."""
    stream = Stream(detector="lean")
    stream.push("a", TIME, VALUE)
    with pytest.raises(InvalidInput, match="cannot load a stream"):
        Stream.load(stream.dump(), make_judge=lambda _: make_judge("default"))


def test_a_dump_holds_no_objects():
    """It loads with pickle forbidden."""
    stream = Stream()
    stream.push("a", TIME, VALUE)
    with np.load(io.BytesIO(stream.dump()), allow_pickle=False) as archive:
        assert all(archive[name].dtype.kind != "O" for name in archive.files)


def test_a_stream_remembers_where_its_series_live() -> None:
    """Dumped and loaded, it goes on in its time zone, with its holidays."""
    times = 1_704_067_200_000 + 300_000 * np.arange(3 * 288)
    value = 9 * np.sin(np.arange(3 * 288) / 288 * 2 * np.pi) + np.random.default_rng(3).normal(0, 1, 3 * 288)
    stream = Stream(time_zone="Asia/Kathmandu", holidays="US")
    parts = [stream.push("a", times[:700], value[:700])]
    stream = Stream.load(stream.dump())
    parts.append(stream.push("a", times[700:], value[700:]))
    whole = awry.detect(value, time=times.astype("datetime64[ms]"), time_zone="Asia/Kathmandu", holidays="US")
    for name in THOUGHT:
        np.testing.assert_array_equal(whole[name], joined(parts)[name], err_msg=name)
