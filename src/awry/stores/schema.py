"""The tables of a store, the same on every database; keys and JSON are bytes, so that no database has an opinion on them."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Float, Index, Integer, LargeBinary, MetaData, String, Table

_BLOB = LargeBinary(2**32 - 1)  # LONGBLOB on MySQL, whose plain BLOB ends at 64 KB
_OPTIONS: dict[str, Any] = {"mysql_engine": "InnoDB", "mysql_charset": "utf8mb4", "mysql_collate": "utf8mb4_bin"}

tables = MetaData()

meta = Table(
    "meta",
    tables,
    Column("name", String(64), primary_key=True),
    Column("value", BigInteger, nullable=False),
    comment="numbers by name: schema, last_seq, last_tick, sealed, round_seq, round_slot, round_time",
    **_OPTIONS,
)

series = Table(
    "series",
    tables,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("gone", Integer, nullable=False, default=0),
    Column("series_key", _BLOB, nullable=False),
    Column("kind", Integer, nullable=False, default=0, server_default="0"),
    Index("series_seq", "seq"),
    comment="gone: 0 lives, 1 deleted with samples still in chunks, 2 deleted for good; kind: 0 gauge, 1 counter",
    **_OPTIONS,
)

journal = Table(
    "journal",
    tables,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("tick", BigInteger, nullable=False),
    Column("sample_rows", Integer, nullable=False),
    Column("extra", _BLOB, nullable=False),
    Column("data", _BLOB, nullable=False),
    Column("sent", _BLOB, nullable=True),
    comment="one row per tick; extra: JSON of commands and deleted slots, empty if there are none; data: packed samples; "
    "sent: of counters, packed rows of data and their values as they were sent, NULL if there are none",
    **_OPTIONS,
)

chunks = Table(
    "chunks",
    tables,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("grp", Integer, nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("stop", BigInteger, nullable=False),
    Column("sample_rows", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("data", _BLOB, nullable=False),
    Index("chunks_series", "grp", "stop", "start"),
    Index("chunks_age", "stop"),
    Index("chunks_small", "sample_rows", "grp", "size"),
    comment="sealed history: samples of GROUP_SLOTS neighbouring slots; start, stop: first and last time in it",
    **_OPTIONS,
)

incidents = Table(
    "incidents",
    tables,
    Column("id", String(64), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("rule", String(128), nullable=False),
    Column("severity", String(16), nullable=False),
    Column("start", BigInteger, nullable=False),
    Column("stop", BigInteger, nullable=True),
    Column("score", Float, nullable=False),
    Column("payload", _BLOB, nullable=False),
    Index("incidents_start", "start", "id"),
    Index("incidents_state", "state", "start"),
    **_OPTIONS,
)

changes = Table(
    "changes",
    tables,
    Column("number", BigInteger, primary_key=True, autoincrement=False),
    Column("incident", String(64), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("tick", BigInteger, nullable=False),
    Column("payload", _BLOB, nullable=False),
    Index("changes_incident", "incident", "number"),
    Index("changes_tick", "tick"),
    **_OPTIONS,
)

positions = Table(
    "positions",
    tables,
    Column("source", String(255), primary_key=True),
    Column("position", _BLOB, nullable=False),
    **_OPTIONS,
)

parked = Table(
    "parked",
    tables,
    Column("slot", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("back", BigInteger, nullable=True),
    Column("data", _BLOB, nullable=False),
    Index("parked_back", "back"),
    comment="detector state of series that stopped, saved at tick seq; back: the tick at which the series sent again, NULL before",
    **_OPTIONS,
)

checkpoints = Table(
    "checkpoints",
    tables,
    Column("name", String(64), primary_key=True),
    Column("block", Integer, primary_key=True, autoincrement=False),
    Column("part", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("data", _BLOB, nullable=False),
    comment="blocks of state, each cut into parts small enough for any database's packet limit",
    **_OPTIONS,
)
