"""`awry explain` beside a running server: what it rebuilds is what the server says."""

from __future__ import annotations

import json
import math
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from awry.cli.main import main
from tests.server.live import Live

Capture = pytest.CaptureFixture[str]
T0 = int(time.time() * 1000) // 60_000 * 60_000 - 7_200_000
KEY = 'load{host="a"}'


def row(minute: int) -> tuple[str, int | str, float]:
    """A wave with one jump."""
    return KEY, T0 + minute * 60_000, 50 + 10 * math.sin(minute / 9) + minute * 7 % 5 + (400 if minute == 90 else 0)


def test_beside_a_running_server(tmp_path: Path, capsys: Capture) -> None:
    """Every number is the API's, the state is exact, and the text names what a person asks for."""
    with Live(tmp_path) as server:
        for minute in range(100):
            server.send([row(minute), ("requests_total", T0 + minute * 60_000, 60.0 * minute)])
        at = T0 + 90 * 60_000
        assert 0 == main(["explain", KEY, "--at", str(at + 59_000), "--data", str(tmp_path), "--json"])
        found = json.loads(capsys.readouterr().out)
        said = server.client.get("/api/v1/samples", params={"series": KEY, "start": at, "end": at + 1}).json()
        for name in ("time", "value", "expected", "low", "high", "raw", "score", "segment", "part", "why"):
            expected = said[name][0]
            assert pytest.approx(expected, rel=1e-5) == found[name] if isinstance(expected, float) else expected == found[name]
        assert (True, 0, 91) == (found["rebuilt"]["exact"], found["rebuilt"]["unequal"], found["rebuilt"]["compared"])
        assert ["default"] == [rule["name"] for rule in found["rules"]]
        assert [at - 60_000 * back for back in (5, 4, 3, 2, 1)] == [one["time"] for one in found["before"]]
        assert {"name", "strength"} == set(found["heads"][0])
        assert 0 < found["p"] < 0.001
        moment = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        assert 0 == main(["explain", KEY, "--at", moment, "--data", str(tmp_path)])
        text = capsys.readouterr().out
        for word in (
            "it is 445, far from",
            "rule default",
            "1 in ",
            "residual",
            "91 scores are what was stored, bit for bit",
        ):
            assert word in text
        assert 0 == main(["explain", "requests_total", "--data", str(tmp_path), "--json", "--last", "0"])
        counter = json.loads(capsys.readouterr().out)
        assert (1.0, 60.0 * 99, []) == (counter["value"], counter["sent"], counter["before"])
        assert counter["rebuilt"]["exact"]
        assert 0 == main(["explain", "requests_total", "--data", str(tmp_path)])
        assert "1 a second, the counter being at 5940" in capsys.readouterr().out


def test_another_configuration(tmp_path: Path, capsys: Capture) -> None:
    """With a configuration that is not the server's the scores differ: told with status 1."""
    with Live(tmp_path) as server:
        for minute in range(60):
            server.send([row(minute)])
    config = tmp_path / "other.toml"
    config.write_text('[series.x]\nselector = "load"\ndetector = "gaussian"\n')
    assert 1 == main(["explain", KEY, "--data", str(tmp_path), "--config", str(config)])
    told = capsys.readouterr()
    assert "rebuilt scores are not what was stored" in told.err
    assert "--config names the file" in told.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nothing"], "cannot find the series 'nothing'"),
        ([KEY, "--at", "yesterday"], "cannot use --at='yesterday'"),
        ([KEY, "--at", "1000"], "no sample at or before"),
        (["load{"], "cannot read"),
    ],
)
def test_refused(words: list[str], said: str, tmp_path_factory: pytest.TempPathFactory, capsys: Capture) -> None:
    """Unknown series, no time, a time before all samples, no key: an error in a line."""
    folder = tmp_path_factory.getbasetemp() / "explained"
    if not folder.exists():
        with Live(folder) as server:
            server.send([row(0)])
    assert 2 == main(["explain", *words, "--data", str(folder)])
    assert said in capsys.readouterr().err
