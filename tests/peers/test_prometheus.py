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
    """Prometheus scrapes itself; its series arrive with their labels, and it reports no failed or retried sample."""
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

    def samples() -> list[float]:
        answer = awry.get("/api/v1/samples", series=up, start=0, end=4_000_000_000_000)
        return list(answer.json()["value"]) if answer.status_code == 200 else []

    wait_for("a third sample of `up`", lambda: len(samples()) >= 3)
    assert [1.0, 1.0, 1.0] == samples()[-3:]
    assert len(awry.keys('{job="prometheus"}')) > 300

    lost = {
        key: awry.get("/api/v1/samples", series=key, start=0, end=4_000_000_000_000).json()["value"][-1]
        for name in ("failed", "retried", "dropped")
        for key in awry.keys(f"prometheus_remote_storage_samples_{name}_total")
    }
    assert dict.fromkeys(lost, 0.0) == lost
    assert lost
