"""Which database the settings name; for the commands that work on it without a server."""

from __future__ import annotations

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from awry.core.errors import NotFound

if TYPE_CHECKING:
    from awry.core.placement import Placement
    from awry.server.config import Config


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """--config and --data."""
    parser.add_argument("--config", type=Path, metavar="FILE", help="config file (TOML) of the server")
    parser.add_argument("--data", metavar="DIR", help="folder of the database (default ./data)")


def store_target(args: argparse.Namespace) -> str | Path:
    """URL or folder of the database, which must exist: a mistyped folder should not become an empty database."""
    config = _config(args)
    if config.store.url:
        return config.store.url
    folder = Path(config.server.data)
    if not any(folder.glob("*.db")):
        raise NotFound(f"cannot find a database in {folder}", hint="name the server's data folder with --data, or its --config")
    return folder


def new_store_target(args: argparse.Namespace) -> str | Path:
    """URL or folder of a database that may have to be made."""
    config = _config(args)
    return config.store.url or Path(config.server.data)


def judged_by(args: argparse.Namespace) -> tuple[Placement, int]:
    """Which series get which detector, and the memory for them, as the settings have it."""
    config = _config(args)
    return config.placement, config.detection.memory_bytes


def store_options(args: argparse.Namespace) -> dict[str, Any]:
    """Retention as the settings have it."""
    store = _config(args).store
    return {"retention_ms": store.retention_ms or None, "max_bytes": store.max_bytes or None}


def _config(args: argparse.Namespace) -> Config:
    from awry.server.config import load_config

    given = {} if args.data is None else {"server.data": args.data}
    return load_config(args.config, env=os.environ, flags=given)
