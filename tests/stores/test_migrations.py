"""An old database is brought to this schema without losing a bit, whenever the process dies meanwhile; a newer one is refused."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import Connection, inspect

from awry.core.batch import Batch, Scored
from awry.core.errors import StoreTooNew
from awry.detection.router import Router
from awry.engine.pipeline import Pipeline
from awry.engine.settings import EngineSettings
from awry.stores import SqlStore, migrations
from awry.stores.connect import Database, database_url
from awry.stores.schema import tables
from tests.stores.conftest import Opener
from tests.stores.old import MINUTE, MINUTES, SERIES, T0, make_old
from tests.stores.ticks import ALL, columns_of

NEWEST = migrations.FIRST + len(migrations.STEPS)


class CrashError(BaseException):
    """The process dies here."""


def schema_of(target: str) -> int:
    """The schema number in the database, and that its tables are those of this version."""
    database = Database(database_url(target))
    try:
        with database.read("test") as connection:
            looked = inspect(connection)
            for table in tables.sorted_tables:
                assert {c.name for c in table.columns} == {c["name"] for c in looked.get_columns(table.name)}
            return int(connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'schema'").scalar() or 0)
    finally:
        database.close()


def recovered(store: SqlStore) -> Pipeline:
    """The engine's state as a start makes it."""
    found = store.recover()
    pipeline = Pipeline(Router(), list(found.keys), EngineSettings(shards=1))
    marks = pipeline.load(found.blocks)
    pipeline.replay(found.ticks, marks)
    assert 0 == pipeline.relearning
    return pipeline


def continued(pipeline: Pipeline) -> tuple[Batch, Scored]:
    """What it thinks of the next hour."""
    rng, ticks = np.random.default_rng(9), []
    for i in range(MINUTES, MINUTES + 60):
        batch = Batch.of([0, 1, 2], [T0 + i * MINUTE] * 3, rng.normal([50, 100, 0], [9, 5, 1]))
        ticks.append(pipeline.step(T0 + i * MINUTE + 500, batch)[0])
    return Batch.concat([tick.batch for tick in ticks]), Scored.concat([tick.scored for tick in ticks])


def test_an_old_database_goes_on(target: str, opened: Opener) -> None:
    """Every sample, incident and position of a schema-1 database is there, and its series are judged as if it had never stopped."""
    make_old(target)
    store = opened(target)
    assert NEWEST == schema_of(target)
    assert list(SERIES) == store.recover().keys
    assert {"graphite_tcp": b"399"} == dict(store.recover().positions)
    assert [1, 2] == [change.number for change in store.changes()]
    samples = [store.samples(slot, *ALL) for slot in range(3)]
    assert [MINUTES] * 3 == [len(one) for one in samples]
    fresh = Pipeline(Router(), list(SERIES), EngineSettings(shards=1))
    for i in range(MINUTES):
        at = T0 + i * MINUTE
        fresh.step(at + 500, Batch.of([0, 1, 2], [at] * 3, [one.value[i] for one in samples]))
    wanted, got = continued(fresh), continued(recovered(store))
    assert [a.tobytes() for a in columns_of(wanted)] == [b.tobytes() for b in columns_of(got)]
    assert not np.isnan(got[1].score).any()


@pytest.mark.parametrize("at", [1, 2, 3])
def test_a_crash_in_the_middle(target: str, opened: Opener, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Wherever an upgrade is cut short the next start ends it, also where each change of a table is committed at once."""
    make_old(target)
    done = 0

    def dies(action: Any) -> Any:
        def run(*args: Any, **options: Any) -> Any:
            nonlocal done
            found = action(*args, **options)
            done += 1
            if done == at:
                raise CrashError
            return found

        return run

    with monkeypatch.context() as patch:
        patch.setattr(migrations, "_add_column", dies(migrations._add_column))
        steps = [dies(step) for step in migrations.STEPS]
        database = Database(database_url(target))
        with pytest.raises(CrashError):
            migrations.migrate(database, steps)
        database.close()
    store = opened(target)
    assert NEWEST == schema_of(target)
    assert MINUTES == len(store.samples(0, *ALL))
    store.close()
    opened(target)


def test_each_step_can_be_repeated(target: str, opened: Opener) -> None:
    """A step that ran already changes nothing: on MariaDB its changes stay when the note that it ran is lost."""
    make_old(target)
    opened(target).close()
    database = Database(database_url(target))
    for step in migrations.STEPS:
        with database.write("test") as connection:
            step(connection)
    database.close()
    assert NEWEST == schema_of(target)


def test_a_newer_schema_is_refused_and_left_alone(tmp_path: Path, opened: Opener) -> None:
    """What a later version wrote is not touched; the message has both numbers and what to do."""
    opened(tmp_path).close()
    with closing(sqlite3.connect(tmp_path / "awry.db")) as connection, connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = 'schema'", (NEWEST + 1,))
        connection.execute("ALTER TABLE series ADD COLUMN mood INTEGER")
        before = list(connection.iterdump())
    with pytest.raises(StoreTooNew, match=rf"schema {NEWEST + 1}, this version knows {NEWEST}") as caught:
        opened(tmp_path)
    assert "install that version of Awry" in caught.value.hint
    with closing(sqlite3.connect(tmp_path / "awry.db")) as connection:
        assert before == list(connection.iterdump())


def test_a_step_that_fails_leaves_the_old_schema(tmp_path: Path) -> None:
    """On SQLite a step is one transaction: an error within it leaves the folder as the old version can read it."""
    make_old(str(tmp_path))

    def half(connection: Connection) -> None:
        migrations.STEPS[0](connection)
        raise CrashError

    database = Database(database_url(tmp_path))
    with pytest.raises(CrashError):
        migrations.migrate(database, [half])
    with database.read("test") as connection:
        assert "parked" not in inspect(connection).get_table_names()
        assert 1 == connection.exec_driver_sql("SELECT value FROM meta WHERE name = 'schema'").scalar()
    database.close()
