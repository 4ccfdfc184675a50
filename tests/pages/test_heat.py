"""Lanes of the heat map: order, columns, groups; never more than asked for."""

from __future__ import annotations

import numpy as np

from awry.server.pages.heat import COLUMN_MS, Groups, groupings, lanes, merge, weigh, weigh_lanes
from tests.pages.fake_app import NOW, FakeApp, incident

KEYS = [f'cpu{{host="h{i}",role="{"web" if i % 2 else "db"}"}}' for i in range(40)]


def test_the_strangest_come_first_and_only_as_many_as_asked() -> None:
    """Recent strangeness counts most; at most `limit` lanes."""
    app = FakeApp(KEYS)
    heat = app.engine.snapshot.heat
    newest = (app.engine.snapshot.heat_end // COLUMN_MS - 1) % 144
    heat[5, newest] = 200
    heat[9, (newest - 100) % 144] = 250
    found = lanes(app.engine.snapshot, app.table, 24, limit=3)
    assert [KEYS[5], KEYS[9]] == [lane.key for lane in found[:2]]
    assert 3 == len(found)


def test_columns_are_in_order_of_time_and_empty_ones_say_so() -> None:
    """The ring buffer is unrolled: the newest column is last; 255 becomes -1."""
    app = FakeApp(KEYS[:1])
    snapshot = app.engine.snapshot
    snapshot.heat[:] = 255
    newest = snapshot.heat_end // COLUMN_MS - 1
    snapshot.heat[0, newest % 144] = 254
    snapshot.heat[0, (newest - 35) % 144] = 100
    day, six = (lanes(snapshot, app.table, hours)[0].cells for hours in (24, 6))
    assert (144, 36) == (len(day), len(six))
    assert (254, 100, -1) == (day[-1], day[-36], day[0])
    assert day[-36:] == six


def test_series_of_open_incidents_stand_on_top_with_their_onset() -> None:
    """An incident outranks any score."""
    app = FakeApp(KEYS, incidents=(incident(KEYS[7], 7),))
    app.engine.snapshot.heat[3] = 250
    found = lanes(app.engine.snapshot, app.table, 24)
    assert (KEYS[7], NOW - 29 * 60_000) == (found[0].key, found[0].since)
    assert KEYS[3] == found[1].key


def test_groups_take_the_worst_of_their_series() -> None:
    """By label value: each column is the worst of the group, with how many series it has."""
    app = FakeApp(KEYS)
    newest = (app.engine.snapshot.heat_end // COLUMN_MS - 1) % 144
    app.engine.snapshot.heat[3, newest] = 222
    found = lanes(app.engine.snapshot, app.table, 6, Groups(app.table, "role"))
    assert [("web", "20\u00a0series".replace("\u00a0", " ")), ("db", "20 series")] == [(lane.title, lane.now) for lane in found]
    assert 222 == found[0].cells[-1]
    assert "/series?match=%7Brole%3D%22web%22%7D" == found[0].href


def test_groups_learn_new_series_and_leave_out_those_without_the_label() -> None:
    """A series without the label belongs to no group; a new one is learnt when it appears."""
    app = FakeApp([*KEYS[:2], "plain.name"])
    groups = Groups(app.table, "role")
    assert [0, 1, -1] == groups.codes(3).tolist()
    app.table.intern(KEYS[2])
    assert [0, 1, -1, 0] == groups.codes(4).tolist()


def test_labels_with_one_value_are_no_grouping() -> None:
    """Offered are labels that tell series apart."""
    assert ["host", "role"] == sorted(groupings(FakeApp([k.replace("}", ',env="prod"}') for k in KEYS]).table))


def test_labels_that_repeat_with_a_period_are_found_among_many_series() -> None:
    """The sample of keys does not stride in step with them."""
    keys = [f'r{{host="w{i}",service="s{i % 50}"}}' for i in range(20_000)]
    assert ["host", "service"] == sorted(groupings(FakeApp(keys).table))


def test_deleted_series_have_no_lane() -> None:
    """An empty slot is left out even when its old cells glow."""
    app = FakeApp([KEYS[0], "", KEYS[2]])
    app.engine.snapshot.heat[1] = 254
    assert {KEYS[0], KEYS[2]} == {lane.key for lane in lanes(app.engine.snapshot, app.table, 24)}


def test_no_series_no_lanes() -> None:
    """The first moment of a new server."""
    app = FakeApp()
    assert [] == lanes(app.engine.snapshot, app.table, 24)
    assert np.zeros(0).size == app.engine.snapshot.series


def test_weights_and_merged_lanes_are_those_of_the_copied_cells() -> None:
    """Ranking all series without copying their cells, and merging groups, is what NumPy makes of the copies."""
    rng = np.random.default_rng(1)
    heat = rng.choice(np.array([0, 3, 60, 78, 200, 254, 255], np.uint8), (300, 144))
    columns = np.arange(100, 136) % 144
    cells = heat[:, columns] + np.uint8(1)
    assert np.array_equal(weigh_lanes(cells), weigh(heat, columns))
    codes = rng.integers(-1, 5, 300).astype(np.int32)
    expected = np.array([cells[codes == k].max(axis=0) for k in range(5)])
    assert np.array_equal(expected, merge(heat, columns, codes, 5))
