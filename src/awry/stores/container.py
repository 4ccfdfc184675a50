"""The file that carries a whole instance to another machine or database: manifest, rows and an end; for export and import.

Format 1: a tar of members in this order, so that it can be written and read as a stream.

    manifest.json          Manifest: versions, moment, and of each table its columns and how many rows follow
    TABLE/00000000.zst …   rows of a table: a zstd frame with checksum, of MessagePack: a list of rows, each a list of its columns
    end.json               End: how many members came before, and the SHA-256 of their names and contents

Rows hold numbers, text, bytes and nil: the same for every database. A file without its end is an export that was cut short.
"""

from __future__ import annotations

import hashlib
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import zstandard

from awry.core.errors import InvalidInput, StoreCorrupt, StoreTooNew
from awry.stores.pack import compress, decompress

FORMAT = 1
MANIFEST, END = "manifest.json", "end.json"
LARGEST_MEMBER = 1 << 30
"""Bytes of a member; ours have some four million, or one row."""
_HINT = "copy it again, or export again"

Progress = Callable[[int, int], None]
"""Called with how many bytes of the file are read, and how many there are."""
Rows = list[list[Any]]


class TableNote(msgspec.Struct, frozen=True):
    """One table of the manifest."""

    name: str
    columns: list[str]
    rows: int


class Manifest(msgspec.Struct, frozen=True):
    """What a file says of itself."""

    format: int
    awry: str
    """Version that wrote it."""
    schema: int
    made: int
    """Unix ms."""
    seq: int
    """The newest tick in it."""
    history: bool
    """Whether sealed samples are in it."""
    database: str
    """Where it comes from: sqlite, postgresql or mysql."""
    tables: list[TableNote]


class End(msgspec.Struct, frozen=True):
    """The last member."""

    members: int
    sha256: str


class Packer:
    """Makes the bytes of a file, member by member."""

    def __init__(self, manifest: Manifest) -> None:
        self._manifest = manifest
        self._hash, self._members = hashlib.sha256(), 0

    def begin(self) -> bytes:
        """The manifest."""
        return self._member(MANIFEST, msgspec.json.encode(self._manifest))

    def rows(self, table: str, rows: Rows) -> bytes:
        """Some rows of a table."""
        return self._member(f"{table}/{self._members:08}.zst", compress(msgspec.msgpack.encode(rows)))

    def end(self) -> bytes:
        """What closes the file."""
        end = End(self._members, self._hash.hexdigest())
        return self._member(END, msgspec.json.encode(end)) + bytes(2 * tarfile.BLOCKSIZE)

    def _member(self, name: str, data: bytes) -> bytes:
        self._hash.update(name.encode() + data)
        self._members += 1
        info = tarfile.TarInfo(name)
        info.size, info.mtime = len(data), self._manifest.made // 1000
        return info.tobuf(tarfile.USTAR_FORMAT) + data + bytes(-len(data) % tarfile.BLOCKSIZE)


def check_file(path: Path, progress: Progress) -> Manifest:
    """Read the whole file and find out whether it is sound. Raises InvalidInput, StoreTooNew, StoreCorrupt."""
    manifest, width, counts = None, dict[str, int](), dict[str, int]()
    for found in _contents(path, progress):
        if isinstance(found, Manifest):
            manifest = found
            width = {table.name: len(table.columns) for table in manifest.tables}
        else:
            name, rows = found
            counts[name] = counts.get(name, 0) + len(rows)
            if any(len(row) != width.get(name) for row in rows):
                raise _damaged(path, f"its manifest does not say what the rows of {name[:80]!r} are")
    assert manifest is not None  # _contents begins with it
    for table in manifest.tables:
        if counts.pop(table.name, 0) != table.rows:
            raise _damaged(path, f"rows of the table {table.name} are missing")
    if counts:
        raise _damaged(path, f"rows of a table {next(iter(counts))} that its manifest does not have")
    return manifest


def rows_of(path: Path, progress: Progress) -> Iterator[tuple[str, Rows]]:
    """Rows of a sound file, piece by piece: (table, rows)."""
    for found in _contents(path, progress):
        if not isinstance(found, Manifest):
            yield found


def _contents(path: Path, progress: Progress) -> Iterator[Manifest | tuple[str, Rows]]:
    """The manifest, then the rows; raises at the end when the end does not fit what came before."""
    digest, members, ended = hashlib.sha256(), 0, False
    with _opened(path) as (tar, place):
        for info in tar:
            name = info.name
            if members == 0 and name != MANIFEST:
                break
            source = tar.extractfile(info) if 0 < info.size <= LARGEST_MEMBER else None
            if source is None:
                raise _damaged(path, f"its part {name[:80]!r} is none that can be")
            data = source.read()
            if name == END:
                end = _decode(path, data, End)
                if end.members != members or end.sha256 != digest.hexdigest():
                    raise _damaged(path, "the checksum does not fit")
                ended = True
                break
            digest.update(name.encode() + data)
            members += 1
            yield _manifest(path, data) if members == 1 else (name.partition("/")[0], _rows(path, data))
            progress(*place())
    if members == 0:
        raise _no_state(path)
    if not ended:
        raise _damaged(path, "it ends too early")
    progress(place()[1], place()[1])


@contextmanager
def _opened(path: Path) -> Iterator[tuple[tarfile.TarFile, Callable[[], tuple[int, int]]]]:
    began = False
    try:
        size = path.stat().st_size
        with path.open("rb") as handle, tarfile.open(fileobj=handle, mode="r|") as tar:
            began = True
            yield tar, lambda: (handle.tell() if not handle.closed else size, size)
    except tarfile.TarError as error:
        raise (_damaged(path, str(error)) if began else _no_state(path)) from error
    except EOFError as error:
        raise _damaged(path, "it ends too early") from error
    except OSError as error:
        raise InvalidInput(f"cannot read {path}: {error.strerror or error}") from error


def _manifest(path: Path, data: bytes) -> Manifest:
    written = _decode(path, data, dict[str, Any]).get("format")
    if not isinstance(written, int):
        raise _no_state(path)
    if written > FORMAT:
        raise StoreTooNew(
            f"cannot import {path}: a newer version of Awry wrote it (format {written}, this version knows {FORMAT})",
            hint="install that version of Awry or a later one",
        )
    manifest: Manifest = _decode(path, data, Manifest)
    return manifest


def _rows(path: Path, data: bytes) -> Rows:
    try:
        size = zstandard.frame_content_size(data)
        rows: Rows = msgspec.msgpack.decode(decompress(data), type=Rows) if size <= LARGEST_MEMBER else []
    except (StoreCorrupt, zstandard.ZstdError, msgspec.MsgspecError) as error:
        raise _damaged(path, "some of its rows cannot be unpacked") from error
    if size > LARGEST_MEMBER:
        raise _damaged(path, "some of its rows are larger than any can be")
    return rows


def _decode(path: Path, data: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(data, type=kind)
    except msgspec.MsgspecError as error:
        raise _damaged(path, str(error)) from error


def _damaged(path: Path, cause: str) -> StoreCorrupt:
    return StoreCorrupt(f"cannot import {path}: the file is damaged: {cause}", hint=_HINT)


def _no_state(path: Path) -> InvalidInput:
    return InvalidInput(
        f"cannot import {path}: it is no file of `awry state export`", hint="a backup of SQLite is put in place as it is"
    )
