"""awry.detect(detector="peers"): the columns of a wide frame against each other, the series of a long one by a label."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray

import awry
from awry.core.errors import InvalidInput

ROWS, HOSTS, ODD, AT = 1500, 8, 3, 1200
TIME = 1_700_006_400 + 60 * np.arange(ROWS)


def fleet(seed: int = 1) -> NDArray[np.float64]:
    """(ROWS, HOSTS): hosts share a wave and a jump of 25; host ODD alone rises by 8 for half an hour."""
    rng = np.random.default_rng(seed)
    common = 10 * np.sin(2 * np.pi * np.arange(ROWS) / 1440)
    common[700:] += 25
    values: NDArray[np.float64] = (
        rng.uniform(20, 60, HOSTS) + rng.uniform(0.7, 1.5, HOSTS) * common[:, None] + rng.normal(0, 1, (ROWS, HOSTS))
    )
    values[AT : AT + 30, ODD] += 8
    return values


def test_the_columns_of_a_wide_frame_are_siblings() -> None:
    """The host that left the others is the strangest, when it left; the jump of all is nobody's."""
    frame = pd.DataFrame(fleet(), columns=[f"web-{i}" for i in range(HOSTS)])
    frame.insert(0, "time", TIME)
    table = awry.detect(frame, detector="peers")
    worst = table.loc[table["score"].fillna(0).idxmax()]
    assert f"web-{ODD}" == worst["series"]
    assert worst["part"] in ("siblings", "late")
    tick = (worst["time"] - table["time"].min()) // (table["time"].sort_values().unique()[1] - table["time"].min())
    assert AT <= int(tick) <= AT + 2
    jump = table[(table["time"].rank(method="dense") > 690) & (table["time"].rank(method="dense") < 710)]
    assert jump["score"].max() < worst["score"]


def long(label: str = "host") -> pl.DataFrame:
    """Two metrics of all hosts, the second one hundredfold."""
    values = fleet()
    parts = [
        pl.DataFrame({"time": TIME, "series": [metric] * ROWS, label: [f"h{i}"] * ROWS, "value": scale * values[:, i]})
        for metric, scale in (("cpu", 1.0), ("mem", 100.0))
        for i in range(HOSTS)
    ]
    return pl.concat(parts)


def test_siblings_differ_in_a_label() -> None:
    """Each metric's hosts are a group: the same scores whatever the scale, since no group looks at the other."""
    table = awry.detect(long(), detector="peers", siblings_by="host")
    cpu, mem = (table.filter(pl.col("series").str.starts_with(name)) for name in ("cpu", "mem"))
    assert np.allclose(cpu["score"].fill_null(-1).to_numpy(), mem["score"].fill_null(-1).to_numpy(), atol=2e-3)
    assert f'host="h{ODD}"' in table.sort("score", descending=True, nulls_last=True)["series"][0]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"detector": "peers", "siblings_by": "pod"}, "no series has the label 'pod'"),
        ({"siblings_by": "host"}, "looks at no siblings"),
        ({"detector": "peers", "time_zone": "Europe/Berlin"}, "knows no hours"),
    ],
)
def test_what_cannot_be_compared_is_refused(options: dict[str, str], words: str) -> None:
    """Each refusal says why."""
    with pytest.raises(InvalidInput, match=words):
        awry.detect(long(), **options)  # type: ignore[arg-type]
