"""The harness of peers' capacity: what a library's run tells, and that a missing peer is named and left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import peers_capacity
from benchmarks.peers import online, stores

VALUES = np.random.default_rng(5).normal(50.0, 1.0, (40, 3))


@pytest.mark.parametrize("name", ["gaussian", "half_space_trees", "holt_winters"])
def test_a_library_is_run_for_its_time(name: str) -> None:
    """Samples of all series, each in turn, processor time above 0, and a score of each sample."""
    found = online.run(name, VALUES, 0.2, 3)
    assert 3 == found["series"]
    assert found["samples"] > 0
    assert found["samples_per_core_second"] > 0
    step = online.PEERS[name]()
    assert np.isfinite([step(value) for value in VALUES[:, 0]]).all()


def test_every_library_of_the_table_is_one_that_runs() -> None:
    """The table names no peer that the runner does not know."""
    assert set(online.PEERS) == {name for name, _ in peers_capacity.LIBRARIES.values()}


@pytest.mark.parametrize("make", [stores.carbon, stores.victoria])
def test_a_server_that_is_not_installed_is_named(make: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the package that has it."""
    monkeypatch.setattr("shutil.which", lambda _: None)
    assert callable(make)
    with pytest.raises(FileNotFoundError, match="apt-get install"):
        make(tmp_path)
