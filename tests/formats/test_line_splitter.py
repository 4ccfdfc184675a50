"""Streams of bytes cut into lines, wherever the pieces end."""

from __future__ import annotations

import gzip
import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from awry.core.errors import InvalidInput
from awry.formats.gzipped import PIECE_BYTES, Gunzip
from awry.formats.line_splitter import LineSplitter


def split(data: bytes, cuts: list[int], line_bytes: int = 10) -> list[bytes | None]:
    splitter = LineSplitter(line_bytes)
    places = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    for start, stop in itertools.pairwise(places):
        splitter.feed(data[start:stop])
    splitter.finish()
    return splitter.take()


@given(st.binary(max_size=80).map(lambda b: b.replace(b"a", b"\n")), st.lists(st.integers(0, 80), max_size=8))
def test_pieces_do_not_matter(data: bytes, cuts: list[int]) -> None:
    """Blank lines are left out, long ones are None, and any cut gives the same lines."""
    expected = [None if len(line) > 10 else line for line in data.split(b"\n") if line and (len(line) > 10 or not line.isspace())]
    assert expected == split(data, cuts)


def test_a_line_without_end_takes_no_memory() -> None:
    """Only that it was there is kept; the next line is whole."""
    splitter = LineSplitter(10)
    for _ in range(1000):
        splitter.feed(b"x" * 1000)
        assert len(splitter._tail) <= 10
    splitter.feed(b"\nnext\n")
    assert [None, b"next"] == splitter.take()


@pytest.mark.parametrize("piece", [1, 7, 100_000])
def test_gzip_as_it_arrives(piece: int) -> None:
    """Several members in pieces of any size; a bomb comes out in bounded pieces."""
    packed = gzip.compress(b"a\n" * 1000) + gzip.compress(bytes(3_000_000)) + gzip.compress(b"")
    file, out, largest = Gunzip(), 0, 0
    for at in range(0, len(packed), piece):
        for part in file.feed(packed[at : at + piece]):
            out, largest = out + len(part), max(largest, len(part))
    file.finish()
    assert (3_002_000, True) == (out, largest <= PIECE_BYTES)


def test_half_a_gzip_file() -> None:
    """What came is handed out, then the end is missed."""
    file = Gunzip()
    list(file.feed(gzip.compress(b"abc" * 100)[:-4]))
    with pytest.raises(InvalidInput, match="ends too early"):
        file.finish()
