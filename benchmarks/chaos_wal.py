"""Damages the tail of an SQLite write-ahead log as a disk would that lied about its last writes; for the chaos harness.

https://www.sqlite.org/fileformat2.html section 4: a header of 32 bytes, then frames of a 24-byte header and one page. A frame
counts when its salts are the header's and its checksum follows from all before; a commit frame names the database's size in pages.
"""

from __future__ import annotations

import random
import struct
from pathlib import Path

HEADER, FRAME = 32, 24


def commits(wal: bytes) -> list[int]:
    """Offsets at which the transactions of a log end, in order."""
    if len(wal) < HEADER:
        return []
    page = struct.unpack(">I", wal[8:12])[0]
    salts, ends = wal[16:24], []
    for at in range(HEADER, len(wal) - FRAME - page + 1, FRAME + page):
        size, frame_salts = struct.unpack(">I", wal[at + 4 : at + 8])[0], wal[at + 8 : at + 16]
        if frame_salts != salts:
            break  # of an earlier round of the log
        if size:
            ends.append(at + FRAME + page)
    return ends


def tear(file: Path, rng: random.Random) -> bool:
    """Cut the log, or turn one bit over, somewhere in its last three transactions; False where it has none to spare."""
    wal = bytearray(file.read_bytes()) if file.exists() else bytearray()
    ends = commits(bytes(wal))
    if len(ends) < 2:
        return False
    at = rng.randrange(ends[-min(4, len(ends))], ends[-1])
    if rng.random() < 0.5:
        del wal[at:]
    else:
        wal[at] ^= 1 << rng.randrange(8)
    file.write_bytes(wal)
    return True
