"""The table of `awry top`, and its loop."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from awry.cli import top
from awry.cli.main import main
from awry.core.errors import AwryError

SERIES: list[dict[str, Any]] = [
    {"key": 'cpu{host="web-3"}', "state": "watching", "segment": 0.71, "value": 14.2, "low": 2.1, "high": 3.9},
    {"key": "mem[x]", "state": "warming", "segment": None, "value": None, "low": None, "high": None},
]
INCIDENTS = [{"title": "cpu of web-3 is 14.2, expected 2.1–3.9"}]


def shown(series: list[dict[str, Any]], incidents: list[dict[str, Any]]) -> str:
    """The table as text."""
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(top.table(series, incidents, "http://localhost"))
    return console.export_text()


def test_table() -> None:
    """Score, key, value and band of each series; keys with brackets are text; a series without a score has none."""
    text = shown(SERIES, INCIDENTS)
    line = next(line for line in text.splitlines() if "cpu{" in line)
    assert all(part in line for part in ("0.71", 'cpu{host="web-3"}', "14.2", "2.1 – 3.9", "watching"))
    assert "mem[x]" in text
    assert "1 open incident" in text
    assert "no open incidents" in shown([], [])


@pytest.mark.parametrize(("score", "drawn"), [(0.0, "0.00 "), (0.5, "0.50 ████"), (1.0, "1.00 ████████"), (None, "   –")])
def test_bar(score: float | None, drawn: str) -> None:
    """Eight blocks are a score of one."""
    assert drawn == top.bar(score).plain


def test_live_view_outlives_the_server(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A server that is away is said and asked again; Ctrl-C leaves with status 0."""
    answers: list[Any] = [(SERIES, INCIDENTS), AwryError("cannot reach it"), (SERIES, []), KeyboardInterrupt()]

    def look(*args: object) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    monkeypatch.setattr(top, "look", look)
    monkeypatch.setattr("awry.cli.top.time.sleep", lambda _: None)
    assert 0 == main(["top"])
    assert [] == answers
    assert "cpu{" in capsys.readouterr().out
