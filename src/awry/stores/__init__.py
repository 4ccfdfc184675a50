"""Where samples, scores, incidents and state are kept: one SQL store over SQLite, PostgreSQL or MySQL/MariaDB."""

from awry.stores.options import StoreOptions
from awry.stores.sql import SqlStore, open_store

__all__ = ["SqlStore", "StoreOptions", "open_store"]
