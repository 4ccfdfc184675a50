"""Files that a command writes beside what it prints: refused before the work when they cannot be, and told when they are there."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

from awry.core.errors import InvalidInput


def check_folder(*paths: Path | None) -> None:
    """Raise InvalidInput for the first path that lies in no folder; None is no path."""
    for path in paths:
        if path is not None and not path.absolute().parent.is_dir():
            raise InvalidInput(f"cannot write {path}: there is no folder {path.parent}")


def save(path: Path, write: Callable[[], object]) -> None:
    """Let `write` make the file, and say so on standard error. Raises InvalidInput with the system's reason."""
    try:
        write()
    except OSError as error:
        raise InvalidInput(f"cannot write {path}: {error.strerror or error}") from error
    print(f"wrote {path}", file=sys.stderr)
