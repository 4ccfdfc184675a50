"""The tutorial's commands, run as they stand on its page, do what the page says."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.serving import Served, wait_for

PAGE = Path(__file__).parents[2] / "docs" / "tutorial.md"


def commands(section: str) -> Iterator[str]:
    """Every command of the console blocks below a heading, here-documents and continued lines included, outputs left out."""
    text = PAGE.read_text(encoding="utf-8").split(f"## {section}", 1)[1].split("\n## ", 1)[0]
    for block in re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL):
        lines = iter(block.splitlines())
        for line in lines:
            if not line.startswith("$ "):
                continue
            command = line[2:]
            while command.endswith("\\") or command.count("'") % 2:
                command += "\n" + next(lines)
            if "<<'END'" in command:
                while not command.endswith("\nEND"):
                    command += "\n" + next(lines)
            yield command


@pytest.mark.slow
def test_tutorial(tmp_path: Path) -> None:
    """Samples are accepted once, the series is found and scored, an outlier opens an incident, a rule is kept."""
    with Served.start(tmp_path / "data") as served:

        def run(command: str) -> str:
            line = command.replace("http://127.0.0.1:7979", served.url)
            return subprocess.run(["bash", "-ec", line], cwd=tmp_path, check=True, capture_output=True, text=True).stdout

        send = [c for c in commands("2.") if "awry serve" not in c]
        assert {"accepted": 4320, "refused": []} == json.loads([run(c) for c in send][-1])
        again = json.loads(run(send[-1]))
        assert 0 == again["accepted"]
        assert {"duplicate"} == {r["reason"] for r in again["refused"]}

        find, look = commands("3.")
        wait_for("the series", lambda: json.loads(run(find))["series"])
        assert ['queue_length{host="web-1"}'] == [s["key"] for s in json.loads(run(find))["series"]]
        samples = json.loads(run(look))
        assert any(score is not None for score in samples["score"])

        outlier, incidents = commands("4.")
        assert 1 == json.loads(run(outlier))["accepted"]
        wait_for("an incident", lambda: json.loads(run(incidents))["incidents"])
        assert "queue_length" in json.loads(run(incidents))["incidents"][0]["title"]

        assert "queues" == json.loads("".join(run(c) for c in commands("5.")))["name"]
