"""Detectors of other projects under one signature, for the peers' suite: which there are, and which cannot be had here and why."""

from __future__ import annotations

from importlib import import_module

from benchmarks.peers.columns import Peer

FAMILIES = {
    "by_river": ("river",),
    "by_pyod": ("pyod", "sklearn"),
    "by_stumpy": ("stumpy",),
    "by_sklearn": ("sklearn",),
    "bands": (),
    "by_prophet": ("prophet",),
}
"""Module of each family, and the packages that it imports."""


def found() -> tuple[list[Peer], dict[str, str]]:
    """The peers that can run here, and for every family that cannot the reason."""
    peers: list[Peer] = []
    reasons: dict[str, str] = {}
    for family, packages in FAMILIES.items():
        try:
            for package in packages:
                import_module(package)
        except ImportError as error:
            reasons[family] = f"{error}; install it with pip install -e '.[peers]'"
            continue
        peers += import_module(f"benchmarks.peers.{family}").PEERS
    return peers, reasons
