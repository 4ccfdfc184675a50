"""Awry: real-time anomaly detection for operational metrics.

`awry.detect(data)` scores a table, `awry.Stream()` scores samples as they arrive; `awry serve` is the server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from awry.library.detect import detect as detect
    from awry.library.stream import Stream as Stream

__all__ = ["Stream", "detect"]

_LAZY = {"detect": "awry.library.detect", "Stream": "awry.library.stream"}


def __getattr__(name: str) -> Any:
    """`detect` and `Stream` are imported when first used, so that `awry --help` is quick; the version is the installed one."""
    if name == "__version__":
        from importlib.metadata import version

        return version("awry")
    if name not in _LAZY:
        raise AttributeError(f"module 'awry' has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(_LAZY[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_LAZY])
