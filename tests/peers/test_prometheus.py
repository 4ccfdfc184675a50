"""A real Prometheus sends its series by remote-write."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.peers.conftest import Launch, find, free_port
from tests.serving import Served, wait_for

CONFIG = """
global:
  scrape_interval: 1s
  external_labels: {{site: test}}
scrape_configs:
  - job_name: prometheus
    static_configs: [{{targets: ["127.0.0.1:{port}"]}}]
remote_write:
  - url: {url}/api/v1/write
    queue_config: {{batch_send_deadline: 200ms}}
"""


@pytest.mark.slow
def test_prometheus_remote_write(awry: Served, launch: Launch, tmp_path: Path) -> None:
    """Prometheus scrapes itself; its series arrive with labels, counters as rates; it reports no failed or retried sample."""
    program, port = find("prometheus"), free_port()
    file = tmp_path / "prometheus.yml"
    file.write_text(CONFIG.format(port=port, url=awry.url), encoding="utf-8")
    launch(
        program,
        f"--config.file={file}",
        f"--storage.tsdb.path={tmp_path / 'tsdb'}",
        f"--web.listen-address=127.0.0.1:{port}",
    )
    up = f'up{{instance="127.0.0.1:{port}",job="prometheus",site="test"}}'

    def samples(key: str) -> list[float]:
        answer = awry.get("/api/v1/samples", series=key, start=0, end=4_000_000_000_000)
        return list(answer.json()["value"]) if answer.status_code == 200 else []

    wait_for("a third sample of `up`", lambda: len(samples(up)) >= 3)
    assert [1.0, 1.0, 1.0] == samples(up)[-3:]
    assert len(awry.keys('{job="prometheus"}')) > 300

    lost = {
        key: samples(key)[-1]
        for name in ("failed", "retried", "dropped")
        for key in awry.keys(f"prometheus_remote_storage_samples_{name}_total")
    }
    assert dict.fromkeys(lost, 0.0) == lost
    assert lost

    # What it appends to its own store in a second is what it scrapes in a second, within what a busy machine shifts.
    (appended,) = awry.keys('prometheus_tsdb_head_samples_appended_total{type="float"}')
    wait_for("five rates of a counter", lambda: len(samples(appended)) >= 6)
    scraped = samples(up.replace("up{", "scrape_samples_scraped{"))[-1]
    first, *rates = samples(appended)
    assert None is first
    assert scraped / 2 < sorted(rates)[len(rates) // 2] < 2 * scraped, (scraped, rates)
    kinds = {s["kind"] for s in awry.get("/api/v1/series", match=appended).json()["series"]}
    assert {"counter"} == kinds
