"""One server per data folder or database: a lock that dies with its process; for whoever opens a store to write."""

from __future__ import annotations

import errno
import fcntl
import os
from pathlib import Path

from awry.core.errors import StoreError, StoreInUse


class FolderLock:
    """flock on `<database>.lock`, whose content names the holder's pid."""

    def __init__(self, database: Path) -> None:
        self._path = database.with_name(database.name + ".lock")
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take the lock. Raises StoreInUse naming the holder, or StoreError when the folder cannot be written."""
        folder = self._path.parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise StoreError(
                f"cannot write in the data folder {folder}: {error.strerror}",
                hint="make the folder writable for this user, or choose another with --data",
            ) from error
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            holder = os.read(handle, 32).decode("ascii", "replace").strip()
            os.close(handle)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise StoreError(f"cannot lock the data folder {folder}: {error.strerror}") from error
            raise StoreInUse(
                f"cannot open {folder}: process {holder or 'unknown'} is using it",
                hint="stop that process, or choose another folder with --data",
            ) from error
        try:
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        except OSError:  # a full disk: the lock holds without its note
            os.ftruncate(handle, 0)
        self._handle = handle

    def release(self) -> None:
        """Give the lock back; may be called twice. The file stays: removing it would race with the next holder."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None
