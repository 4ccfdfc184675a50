"""CSV, Parquet and JSON lines, from disk or from bytes -> samples by series; for `awry detect`, replay and the library."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from awry.core.errors import InvalidInput, TooLarge
from awry.formats.columns import Choice, Table, read_columns

MOST_BYTES = 16 * 1024**3
"""Largest file read, unpacked."""
_HINT = "files may be CSV, TSV, Parquet or JSON lines, gzip-compressed or not"
_LINE = msgspec.json.Decoder(dict[str, Any])
_SEPARATORS = (",", ";", "\t", "|")


def read_file(path: Path, *, choice: Choice | None = None, interval_ms: int | None = None) -> Table:
    """Samples of a file. Raises InvalidInput "cannot read <path>: <cause>"."""
    try:
        data = path.read_bytes() if path.stat().st_size <= MOST_BYTES else None
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}", hint="is the path right?") from error
    if data is None:
        raise TooLarge(f"cannot read {path}: over {MOST_BYTES >> 30} GB", hint="split it by series or by time")
    return read_bytes(data, name=str(path), choice=choice, interval_ms=interval_ms)


def read_bytes(data: bytes, *, name: str, choice: Choice | None = None, interval_ms: int | None = None) -> Table:
    """Samples of a file's bytes; `name` is used in messages and, without folder and suffix, as the key of a nameless series."""
    try:
        if data[:2] == b"\x1f\x8b":
            data = _gunzip(data)
        frame, malformed = _frame(data)
        key = Path(name).name.split(".")[0] or "value"
        table = read_columns(frame, choice=choice, interval_ms=interval_ms, name=key)
        return replace(table, refused={"malformed": malformed} | table.refused) if malformed else table
    except InvalidInput as error:
        raise type(error)(f"cannot read {name}: {error.message}", hint=error.hint or _HINT) from error
    except (pl.exceptions.PolarsError, OSError, EOFError, zlib.error, ValueError) as error:
        raise InvalidInput(f"cannot read {name}: {str(error).strip().splitlines()[0][:200]}", hint=_HINT) from error


def _gunzip(data: bytes) -> bytes:
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as stream:
        out = stream.read(MOST_BYTES + 1)
    if len(out) > MOST_BYTES:
        raise TooLarge(f"unpacks to over {MOST_BYTES >> 30} GB")
    return out


def _frame(data: bytes) -> tuple[pl.DataFrame, int]:
    """The file as a frame, and how many of its lines could not be read."""
    if data[:4] == b"PAR1":
        return pl.read_parquet(io.BytesIO(data)), 0
    head = data[:65536].lstrip(b"\xef\xbb\xbf")
    if not head.strip():
        raise InvalidInput("it is empty")
    if b"\0" in head:
        raise InvalidInput("it is binary, but not Parquet")
    if head.lstrip()[:1] in (b"{", b"["):
        return _json(data)
    return _csv(data, head), 0


def _json(data: bytes) -> tuple[pl.DataFrame, int]:
    if data.lstrip()[:1] == b"[":
        return pl.read_json(io.BytesIO(data), infer_schema_length=None), 0
    try:
        return pl.read_ndjson(io.BytesIO(data)), 0
    except pl.exceptions.PolarsError:
        return _json_lines(data)


def _json_lines(data: bytes) -> tuple[pl.DataFrame, int]:
    """Line by line, as text, for a file with lines that are not JSON or cells of several types; counts the former."""
    rows, malformed = [], 0
    for line in data.splitlines():
        if not line.strip():
            continue
        try:
            rows.append(_LINE.decode(line))
        except (msgspec.DecodeError, UnicodeDecodeError):
            malformed += 1
    if not rows:
        raise InvalidInput("none of its lines is a JSON object")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = {name: [None if (cell := row.get(name)) is None else str(cell) for row in rows] for name in names}
    return pl.DataFrame(cells, schema=dict.fromkeys(names, pl.String)), malformed


def _csv(data: bytes, head: bytes) -> pl.DataFrame:
    first = head.split(b"\n", 1)[0].decode("utf-8", "replace")
    separator = max(_SEPARATORS, key=first.count)
    header = not all(_is_cell(cell) for cell in first.strip().split(separator))
    options: dict[str, Any] = {"separator": separator, "has_header": header}
    text = {"infer_schema": False, "truncate_ragged_lines": True, "encoding": "utf8-lossy"}
    # Where a cell does not fit its column, all is read as text, so that this cell alone is refused; the same for a lone quote.
    for attempt in ({"infer_schema_length": 2000}, text, text | {"quote_char": None}):
        try:
            frame = pl.read_csv(io.BytesIO(data), **options, **attempt)
            break
        except pl.exceptions.PolarsError as error:
            failure = error
    else:
        raise failure
    return frame if header else _named(frame)


def _named(frame: pl.DataFrame) -> pl.DataFrame:
    """Names for a file without a header: a first column of big rising numbers is the time, an only other one the value."""
    names = list(frame.columns)
    first = frame.to_series(0)
    if frame.width > 1 and first.dtype.is_numeric() and first.min() > 1e8 and first.is_sorted():  # type: ignore[operator]  # a numeric minimum
        names[0] = "time"
    if frame.width <= 2:
        names[-1] = "value"
    return frame.rename(dict(zip(frame.columns, names, strict=True)))


def _is_cell(cell: str) -> bool:
    """Whether a cell of the first line is data rather than a name: a number or something that begins like a date."""
    try:
        float(cell.strip().strip('"'))
    except ValueError:
        return cell.strip().strip('"')[:5].rstrip("-/.").isdigit()
    return True
