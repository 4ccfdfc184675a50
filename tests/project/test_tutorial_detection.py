"""The detection tutorial runs as it stands on its page, and prints in substance what is shown there."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from scripts.run_page import Session, alike, rewritten
from tests.serving import Served

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial-detection.md"
PICTURE = ROOT / "docs" / "images" / "tutorial-score.svg"
WRITE = bool(os.environ.get("AWRY_WRITE_PAGES"))
"""Write what came into the page and its picture before comparing; for whoever changed the detector."""


class Played:
    """The whole page, run once."""

    def __init__(self, folder: Path) -> None:
        page = PAGE.read_text(encoding="utf-8")
        with ExitStack() as stack:
            self.session = Session(folder)

            def serve() -> None:
                served = stack.enter_context(Served.start(folder / "shop-data", arguments=["--config", str(folder / "awry.toml")]))
                addresses = {"http://127.0.0.1:7979": served.url, '("127.0.0.1", 2003)': repr(served.graphite)}
                self.session.change = lambda text: re.sub("|".join(map(re.escape, addresses)), lambda m: addresses[m[0]], text)

            self.session.instead = {"serve": serve, "not run": lambda: None}
            self.outputs = list(self.session.run(page))
        self.picture = (folder / "score.svg").read_text(encoding="utf-8")
        if WRITE:
            PAGE.write_text(rewritten(page, self.outputs), encoding="utf-8")
            PICTURE.write_text(self.picture, encoding="utf-8")

    def got(self, command: str, nth: int = 0) -> str:
        """What the nth output of commands that begin so was; of python blocks the command is "print"."""
        return [output for output in self.outputs if output.command.startswith(command)][nth].got


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Played]:
    folder, before = tmp_path_factory.mktemp("tutorial"), Path.cwd()
    sys.path.insert(0, str(folder))
    os.chdir(folder)
    try:
        yield Played(folder)
    finally:
        os.chdir(before)
        sys.path.remove(str(folder))
        sys.modules.pop("shop", None)
        pl.Config.restore_defaults()


@pytest.mark.long
def test_outputs(played: Played) -> None:
    """What the page shows comes out: the same words, and numbers within a quarter; blocks that move are looked at below."""
    different = [(o.command, o.shown, o.got) for o in played.outputs if not o.loose and not alike(o.shown, o.got)]
    assert [] == different


@pytest.mark.long
def test_anomalies(played: Played) -> None:
    """Sections 1 and 2: the strict rule tells of a failure and little else, the larger budget of all three within their hours."""
    strict, larger = played.got("awry detect latency.csv --html"), played.got("awry detect latency.csv --budget")
    failures = ("latency +2014-03-14 0[69]:", "latency +2014-03-18 22:", "latency +2014-03-2[01] (2[123]|0[0123]):")
    assert any(re.search(when, strict) for when in failures)
    assert [] == [when for when in failures if not re.search(when, larger)]
    many = [int(re.findall(r"(\d+) anomal", text)[0]) for text in (strict, larger)]
    assert many == sorted(many)
    assert many[0] <= 4
    assert many[1] <= 10
    table: Any = played.session.names["table"]
    worst = {day: table.filter(table["time"].dt.strftime("%m-%d") == day).sort("raw")[-1] for day in ("03-14", "03-18", "03-21")}
    assert all(row["part"][0] != "none" for row in worst.values())
    assert (30.482, 99.248) == (worst["03-14"]["value"][0], worst["03-18"]["value"][0])
    assert all(not row["low"][0] <= row["value"][0] <= row["high"][0] for row in worst.values())


@pytest.mark.long
def test_promise_and_picture(played: Played) -> None:
    """Section 3: what came is near what was promised, failures included; the committed picture is the script's."""
    counts = [(float(a), int(b)) for a, b in re.findall(r"promised ([\d.]+), came (\d+)", played.got("print", 6))]
    assert [40.2, 4.0, 0.4] == [promised for promised, _ in counts]
    assert all(promised / 4 <= came <= 4 * promised + 6 for promised, came in counts)

    def skeleton(picture: str) -> list[str]:
        return re.findall(r"<\w+|>[^<>\n]+<", picture)

    assert skeleton(PICTURE.read_text(encoding="utf-8")) == skeleton(played.picture)


@pytest.mark.long
def test_inject(played: Played) -> None:
    """Section 4: large spikes are told at once, drifts late, missing peaks mostly not; a larger budget costs no less."""
    table = played.got("awry inject orders.csv")
    share = {name: int(told) for name, told in re.findall(r"^\s*(\w[\w ]*?\d*)\s+\d+\s+(\d+)%", table, re.MULTILINE)}
    assert share["spike 5"] >= 80
    assert "at once" in next(line for line in table.splitlines() if "spike 8" in line)
    assert re.search(r"drift 3 +\d+ +\d+% +[\d.]+ h", table)
    assert share["missing peak 2"] <= 60
    opened = [int(n) for n in re.findall(r"it opened (\d+) times", table + played.got("awry inject orders.csv --budget"))]
    assert opened == sorted(opened)
    assert 2 == len(opened)


@pytest.mark.long
def test_compare(played: Played) -> None:
    """Section 5: every detector has a row in each table, and seven troubles were judged."""
    tables = played.got("awry bench suite")
    assert "7 events" in tables
    for name in ("default", "holt_winters", "rolling", "ewma"):
        assert 3 == len(re.findall(rf"^\s*{name} ", tables, re.MULTILINE))


@pytest.mark.long
def test_choose(played: Played) -> None:
    """Section 6: the clock change is less strange in Berlin, the holiday with holidays; `auto` speaks of events."""
    strength: Any = played.session.names["strength"]
    assert strength["Berlin"][0] < strength["UTC"][0]
    assert strength["holidays too"][1] < strength["Berlin"][1]
    spoke = re.findall(r"^(\w+) .* ([\d.]+) (\w+)$", played.got("print", 8), re.MULTILINE)
    assert ["default", "default", "auto", "auto"] == [name for name, _, _ in spoke]
    assert all(float(score) > 0.3 for _, score, _ in spoke)
    assert [False, False, True, True] == [part in ("many", "burst") for _, _, part in spoke]


@pytest.mark.long
def test_service(played: Played) -> None:
    """Section 8: the load test opened an incident of the shop's rule, and the disk is full in about five days."""
    assert re.search(r"^orders critical .*shop_orders.*2,000", played.got("print", 12), re.MULTILINE)
    assert "counts" in played.got("curl")
    assert 3.5 <= float(re.findall(r"in ([\d.]+) days", played.got("print", 13))[0]) <= 6.5


def test_runner(tmp_path: Path) -> None:
    """The runner keeps one session, knows commands from what they print, and takes numbers for alike that nearly are."""
    shell = "<!-- by eye -->\n```console\n$ echo a \\\n  b\na b\n$ echo c\n```\n"
    page = "a\n```python\nx = 2\nprint(x, 10)\n```\n\n```text\n2 9.5\n```\n\n" + shell
    first, second, third = Session(tmp_path).run(page)
    assert ("2 10\n", False, True) == (first.got, first.loose, alike(first.shown, first.got))
    assert ("a b\n", "a b\n", True) == (second.got, second.shown, second.loose)
    assert ("c\n", "") == (third.got, third.shown)
    assert page.replace("9.5", "10") == rewritten(page, [first, second, third])
    assert alike("one 100\n...\ntwo 0.31\n", "one 110\nthree 5\ntwo 0.35\n")
    assert not alike("one 100\n", "one 140\n")
    assert not alike("one\n", "one two\n")
