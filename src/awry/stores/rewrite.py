"""Rewrites chunks: merges small ones of a group, takes deleted series out; the writer's thread only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from sqlalchemy import func, insert, select

from awry.core.batch import Batch, Scored
from awry.stores.connect import Database
from awry.stores.options import GROUP_SLOTS, Fault, StoreOptions
from awry.stores.pack import unpack_rows
from awry.stores.schema import chunks, series
from awry.stores.seal import chunk_row
from awry.stores.state import State

_MANY = 16  # small chunks of a group before they are merged


class Rewriter:
    """Each method rewrites at most one new chunk and tells whether it did anything."""

    def __init__(self, database: Database, state: State, options: StoreOptions, fault: Fault) -> None:
        self._database, self._state, self._options, self._fault = database, state, options, fault
        self._purging: tuple[tuple[int, ...], int] = ((), 0)  # slots of one group, id of the last chunk looked at
        self._crowded: list[int] = []

    def purge(self) -> bool:
        """Take deleted series out of one chunk; when their group has no more, they are gone for good."""
        mine, after = self._purging
        if not mine:
            waiting = sorted(slot for slot, gone in self._state.gone.items() if gone == 1)
            # Those deleted from here on have their turn afterwards: they still are in the chunks that were looked at.
            mine, after = tuple(slot for slot in waiting if slot // GROUP_SLOTS == waiting[0] // GROUP_SLOTS), 0
        if not mine:
            return False
        group = mine[0] // GROUP_SLOTS
        c = chunks.c
        with self._database.write("delete a series") as connection:
            query = select(c.id, c.sample_rows, c.size, c.data).where(c.grp == group, c.id > after).order_by(c.id).limit(1)
            row = connection.execute(query).one_or_none()
            if row is None:
                connection.execute(series.update().where(series.c.slot.in_(mine)).values(gone=2))
            else:
                self._replace(connection, [row], mine)
            self._fault("purge.before")
        if row is None:
            self._state.gone.update(dict.fromkeys(mine, 2))
        self._purging = ((), 0) if row is None else (mine, row.id)
        return True

    def look(self, many: int = _MANY) -> None:
        """Find the groups with many small chunks."""
        c = chunks.c
        small = c.sample_rows < self._small
        with self._database.read("look for small chunks") as connection:
            query = select(c.grp).where(small).group_by(c.grp).having(func.count() >= many)
            self._crowded = list(connection.execute(query).scalars())

    def merge(self) -> bool:
        """Merge the oldest small chunks of one crowded group into one chunk."""
        if not self._crowded:
            return False
        group = self._crowded.pop()
        c = chunks.c
        query = select(c.id, c.sample_rows, c.size, c.data).where(c.grp == group, c.sample_rows < self._small).order_by(c.start)
        with self._database.write("merge chunks") as connection:
            rows: list[Any] = []
            for row in connection.execute(query.limit(256)):
                if sum(r.sample_rows for r in rows) + row.sample_rows > self._options.merge_rows:
                    break
                rows.append(row)
            if len(rows) > 1:
                self._replace(connection, rows, [])
            self._fault("merge.before")
        if len(rows) > 1:
            self._crowded.append(group)
        return True

    @property
    def _small(self) -> int:
        return max(2, self._options.merge_rows // 8)

    def _replace(self, connection: Any, rows: Sequence[Any], without: Sequence[int]) -> None:
        parts = [unpack_rows(bytes(row.data)) for row in rows]
        batch, scored = Batch.concat([part[0] for part in parts]), Scored.concat([part[1] for part in parts])
        order = np.lexsort((batch.time, batch.slot))
        slot, moment = batch.slot[order], batch.time[order]
        keep = np.ones(order.shape[0], np.bool_)
        keep[1:] = (np.diff(slot) != 0) | (np.diff(moment) != 0)
        if without:
            keep &= ~np.isin(slot, np.array(without, np.int32))
            if keep.all():
                return
        order = order[keep]
        connection.execute(chunks.delete().where(chunks.c.id.in_([row.id for row in rows])))
        state, new_size = self._state, 0
        if order.size:
            row = chunk_row(batch.take(order), scored.take(order))
            connection.execute(insert(chunks), row)
            new_size = int(str(row["size"]))
        state.chunk_count += bool(order.size) - len(rows)
        state.chunk_rows += int(order.size) - sum(r.sample_rows for r in rows)
        state.chunk_bytes += new_size - sum(r.size for r in rows)
