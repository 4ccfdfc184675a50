"""A real collectd sends its values by write_graphite."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.conftest import Launch, find
from tests.serving import Served, wait_for

CONFIG = """
Hostname "web-1"
FQDNLookup false
Interval 1
BaseDir "{folder}"
PIDFile "{folder}/collectd.pid"
PluginDir "/usr/lib/collectd"
TypesDB "/usr/share/collectd/types.db"
LoadPlugin load
LoadPlugin uptime
LoadPlugin write_graphite
<Plugin write_graphite>
  <Node "awry">
    Host "{host}"
    Port "{port}"
    Protocol "tcp"
    Prefix "collectd."
    EscapeCharacter "_"
    StoreRates true
  </Node>
</Plugin>
"""


@pytest.mark.slow
def test_collectd_write_graphite(awry: Served, launch: Launch, tmp_path: Path) -> None:
    """Its load and uptime arrive under the names that collectd gives them, with values that are true of this machine."""
    program = find("collectd")
    file = tmp_path / "collectd.conf"
    file.write_text(CONFIG.format(folder=tmp_path, host=awry.graphite[0], port=awry.graphite[1]), encoding="utf-8")
    launch(program, "-f", "-C", file)

    wait_for("series of collectd", lambda: len(awry.keys('{__name__=~"collectd[.]web-1[.].*"}')) >= 4)
    names = {"load.load.shortterm", "load.load.midterm", "load.load.longterm", "uptime.uptime"}
    assert {f"collectd.web-1.{name}" for name in names} <= set(awry.keys('{__name__=~"collectd[.].*"}'))

    answer = awry.get("/api/v1/samples", series="collectd.web-1.uptime.uptime", start=0, end=4_000_000_000_000).json()
    machine = float(Path("/proc/uptime").read_text(encoding="utf-8").split()[0])
    assert pytest.approx(machine, abs=3600) == answer["value"][-1]
