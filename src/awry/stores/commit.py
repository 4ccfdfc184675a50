"""Writing ticks and checkpoint blocks, each call in one transaction; the writer's half of the SQL store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import msgspec
from sqlalchemy import Connection, Delete, Insert, Table, bindparam, func, insert, select

from awry.core.incident import Change, Incident
from awry.core.kind import COUNTER, GAUGE
from awry.core.tick import Block, Tick
from awry.stores.blobs import pack_arrays, pack_json
from awry.stores.pack import pack_rows, pack_sent
from awry.stores.parked import write_parked
from awry.stores.schema import changes, checkpoints, incidents, journal, meta, positions, series
from awry.stores.state import Extra

_PART_BYTES = 4 << 20  # MySQL takes packets of 16 MB by default
_SLOTS_ASKED = 500  # parameters of one query
_MANY_ROWS = 100


def write_ticks(connection: Connection, ticks: Sequence[Tick], slots: int) -> None:
    """Journal rows, series, what was parked, incidents, changes and positions of some ticks. slots: how many there were before."""
    again = [{"at": slot} for tick in ticks for slot, _ in tick.series if slot < slots]
    if again:  # of deleted series, that others have now
        connection.execute(series.delete().where(series.c.slot == bindparam("at")), again)
    _insert(connection, series, [row for tick in ticks for row in _series_rows(tick)])
    write_parked(connection, ticks)
    _insert(connection, journal, [_journal_row(tick, _keys(connection, tick.deleted)) for tick in ticks])
    gone = [{"at": slot} for tick in ticks for slot in tick.deleted]
    if gone:
        connection.execute(series.update().where(series.c.slot == bindparam("at")).values(series_key=b"", gone=1), gone)
    kinds = [{"at": slot, "now": kind} for tick in ticks for slot, kind in tick.kinds]
    if kinds:
        connection.execute(series.update().where(series.c.slot == bindparam("at")).values(kind=bindparam("now")), kinds)
    latest = {incident.id: incident for tick in ticks for incident in tick.incidents}
    _replace(connection, incidents, ("id",), [_incident_row(incident) for incident in latest.values()])
    _insert(connection, changes, [_change_row(change, tick.time) for tick in ticks for change in tick.changes])
    reached: dict[str, bytes] = {}
    for tick in ticks:
        reached.update(tick.positions)
    _replace(connection, positions, ("source",), [{"source": name, "position": value} for name, value in reached.items()])


def write_blocks(connection: Connection, blocks: Sequence[Block]) -> None:
    """Checkpoint blocks in place of the former ones of the same name and index; of two alike, the later counts."""
    latest = {(block.name, block.index): block for block in blocks}.values()  # two of one kind wait when the disk is slow
    keys = [{"at_name": block.name, "at_block": block.index} for block in latest]
    connection.execute(_deleting(checkpoints, ("name", "block")), keys)
    for block in latest:
        data = pack_arrays(block.arrays)
        parts = [data[at : at + _PART_BYTES] for at in range(0, len(data), _PART_BYTES)]
        rows = [
            {"name": block.name, "block": block.index, "part": i, "seq": block.seq, "data": part} for i, part in enumerate(parts)
        ]
        _insert(connection, checkpoints, rows)


def set_meta(connection: Connection, values: Mapping[str, int]) -> None:
    """Numbers the store remembers by name."""
    _replace(connection, meta, ("name",), [{"name": name, "value": value} for name, value in values.items()])


def newest_seq(connection: Connection) -> int:
    """Seq of the newest tick ever committed; after an unclear end of a transaction this tells which it was."""
    kept = connection.execute(select(meta.c.value).where(meta.c.name == "last_seq")).scalar() or 0
    return max(int(kept), int(connection.execute(select(func.max(journal.c.seq))).scalar() or 0))


def _insert(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    if len(rows) < _MANY_ROWS:
        if rows:
            connection.execute(_inserting(table), rows)
        return
    # Past SQLAlchemy's work on every row, which takes longer than the database's: series come by the hundred thousand.
    statement = insert(table).compile(dialect=connection.dialect, column_keys=list(rows[0]))
    order = statement.positiontup
    parameters: Any = rows if order is None else [tuple(row[name] for name in order) for row in rows]
    connection.exec_driver_sql(str(statement), parameters)


def _replace(connection: Connection, table: Table, key: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    if not rows:
        return
    connection.execute(_deleting(table, key), [{f"at_{name}": row[name] for name in key} for row in rows])
    connection.execute(_inserting(table), rows)


@cache
def _inserting(table: Table) -> Insert:
    """Statements of every commit are made once: that takes longer than to run them."""
    return insert(table)


@cache
def _deleting(table: Table, key: tuple[str, ...]) -> Delete:
    return table.delete().where(*(table.c[name] == bindparam(f"at_{name}") for name in key))


def _keys(connection: Connection, slots: Sequence[int]) -> dict[int, str]:
    found: dict[int, str] = {}
    for at in range(0, len(slots), _SLOTS_ASKED):
        mine = series.c.slot.in_(slots[at : at + _SLOTS_ASKED])
        for slot, key in connection.execute(select(series.c.slot, series.c.series_key).where(mine)):
            found[slot] = bytes(key).decode()
    return found


def _series_rows(tick: Tick) -> list[dict[str, Any]]:
    kinds = dict.fromkeys(tick.counters, COUNTER)
    return [
        {"slot": slot, "seq": tick.seq, "gone": 0, "series_key": key.encode(), "kind": kinds.get(slot, GAUGE)}
        for slot, key in tick.series
    ]


def _journal_row(tick: Tick, keys: dict[int, str]) -> dict[str, Any]:
    extra = Extra()
    if tick.commands:
        extra["commands"] = list(tick.commands)
    if tick.deleted:
        extra["deleted"] = list(tick.deleted)
        extra["keys"] = keys
    return {
        "seq": tick.seq,
        "tick": tick.time,
        "sample_rows": len(tick.batch),
        "extra": msgspec.json.encode(extra) if extra else b"",
        "data": pack_rows(tick.batch, tick.scored),
        "sent": pack_sent(tick.sent),
    }


def _incident_row(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.id,
        "state": incident.state,
        "rule": incident.rule,
        "severity": incident.severity,
        "start": incident.start,
        "stop": incident.end,
        "score": incident.score,
        "payload": pack_json(incident),
    }


def _change_row(change: Change, tick: int) -> dict[str, Any]:
    return {
        "number": change.number,
        "incident": change.incident.id,
        "kind": change.kind,
        "tick": tick,
        "payload": pack_json(change),
    }
