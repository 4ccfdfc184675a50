"""When Python looks for unreachable cycles in a server's process: rarely while it starts, and later only among what came since.

A full search visits every container and all it holds, a list of a million keys included, and nothing else runs meanwhile: 0.3 s at
a million series. What is there when the server is ready stays until it ends, so it is left out of every later search.
"""

from __future__ import annotations

import gc

STARTING = (100_000, 10, 5)
"""Containers made between two searches among the youngest, and so on: loading modules and kernels makes half a million, and no
garbage worth the time; compiling kernels makes millions, and garbage."""
SERVING = (10_000, 10, 10)
"""Among ten thousand it takes half a millisecond; Python's own 700 would do so all the time while series appear."""


def hold() -> None:
    """Search rarely: much is made that stays."""
    gc.set_threshold(*STARTING)


def settle() -> None:
    """From now on search only among what comes; may be called again when more has come to stay."""
    gc.freeze()
    gc.set_threshold(*SERVING)
