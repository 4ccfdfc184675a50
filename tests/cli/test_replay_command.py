"""`awry replay`: the incidents of a recorded file, and sending it to a server."""

from __future__ import annotations

import json
import math
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from awry.cli.main import main
from awry.cli.replay import Pacer, read

Capture = pytest.CaptureFixture[str]
T0 = 1_700_000_000_000
MINUTE = 60_000


@pytest.fixture
def spike(tmp_path: Path) -> Path:
    """Two days of a calm wave a minute, one enormous spike at noon of the second."""
    file = tmp_path / "cpu.csv"
    rows = [(T0 + n * MINUTE, 50 + 5 * math.sin(n / 40) + 0.5 * math.sin(n * 1.7)) for n in range(2880)]
    rows[2500] = (rows[2500][0], 500.0)
    file.write_text("time,value\n" + "".join(f"{t},{v:.3f}\n" for t, v in rows))
    return file


def test_prints_the_incident(spike: Path, capsys: Capture) -> None:
    """The spike opens an incident that says what and when; a second run says the same."""
    assert 0 == main(["replay", str(spike)])
    first = capsys.readouterr()
    line = next(line for line in first.out.splitlines() if "500" in line)
    assert "opened" in line
    assert "cpu" in line
    assert "2,880 samples of 1 series" in first.err
    main(["replay", str(spike)])
    assert first.out == capsys.readouterr().out


def test_incidents_come_from_the_values(spike: Path, capsys: Capture) -> None:
    """Without the spike its incident is not there."""
    spike.write_text(spike.read_text().replace(",500.000", ",50.000"))
    assert 0 == main(["replay", str(spike)])
    assert "500" not in capsys.readouterr().out


def test_a_counter_is_replayed_as_its_rate(spike: Path, capsys: Capture) -> None:
    """As on the server, by its name: the same incident as of the rate itself."""
    total, lines = 0.0, ["time,value"]
    for line in spike.read_text().splitlines()[1:]:
        time, value = line.split(",")
        total += 60 * float(value)
        lines.append(f"{time},{total!r}")
    counter = spike.with_name("jobs_total.csv")
    counter.write_text("\n".join(lines) + "\n")
    assert 0 == main(["replay", str(counter)])
    line = next(line for line in capsys.readouterr().out.splitlines() if "500" in line)
    assert "opened" in line
    assert "jobs_total" in line


@pytest.mark.parametrize(("detector", "why"), [("nonsense", "cannot find the detector"), ("peers", "compares a series with its")])
def test_a_detector_that_cannot_judge_here_is_refused(spike: Path, capsys: Capture, detector: str, why: str) -> None:
    """As in the config file: one that nobody knows, and one that needs to know who is whose sibling."""
    assert 2 == main(["replay", str(spike), "--detector", detector])
    assert why in capsys.readouterr().err


def test_a_stopped_series_is_noticed(tmp_path: Path, capsys: Capture) -> None:
    """One of two series ends early: it is reported while the other goes on."""
    lines = [f"b,{T0 + n * MINUTE},{n % 7}" for n in range(600)] + [f"a,{T0 + n * MINUTE},{n % 5}" for n in range(300)]
    file = tmp_path / "two.csv"
    file.write_text("series,time,value\n" + "\n".join(lines))
    assert 0 == main(["replay", str(file)])
    assert any("a stopped sending" in line for line in capsys.readouterr().out.splitlines())


def test_rules_of_a_config_file(spike: Path, tmp_path: Path, capsys: Capture) -> None:
    """--config brings its own rules; one that can never fire leaves only the default rule's incidents."""
    config = tmp_path / "awry.toml"
    config.write_text('[rule.default]\nselector = "nothing_like_this"\nthreshold = 0.9\n')
    assert 0 == main(["replay", str(spike), "--config", str(config)])
    assert "" == capsys.readouterr().out


def test_files_are_merged_in_order_of_time(tmp_path: Path) -> None:
    """A series in two files is one series; rows of all files are in order of time, slices end at whole minutes."""
    (tmp_path / "a.csv").write_text(f"series,time,value\nx,{T0},1\ny,{T0 + 2 * MINUTE},2\n")
    (tmp_path / "b.csv").write_text(f"series,time,value\ny,{T0 + MINUTE},3\n")
    recorded = read([tmp_path / "a.csv", tmp_path / "b.csv"])
    assert ["x", "y"] == recorded.keys
    assert [1.0, 3.0, 2.0] == recorded.batch.value.tolist()
    slices = list(recorded.slices(MINUTE))
    assert [1, 1, 1] == [len(batch) for _, batch in slices]
    assert all(end % MINUTE == 0 and end > int(batch.time[-1]) for end, batch in slices)


@pytest.mark.parametrize("speed", ["0", "-1", "fast", "nan", "inf"])
def test_refuses_impossible_speeds(speed: str, spike: Path, capsys: Capture) -> None:
    """Speeds are numbers above 0, or max."""
    assert 2 == main(["replay", str(spike), f"--speed={speed}"])
    assert "cannot use the speed" in capsys.readouterr().err


def test_pacer_waits_in_proportion() -> None:
    """At infinite speed nothing waits; what lies in the past does not wait either."""
    Pacer(float("inf"), T0).wait(T0 + 10**12)
    Pacer(1.0, T0).wait(T0 - 10**12)


def serve(answers: list[int]) -> tuple[ThreadingHTTPServer, list[dict[str, Any]]]:
    """A stand-in for a server: answers samples with these statuses, then 200, and remembers bodies."""
    bodies: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def reply(self, status: int, answer: object) -> None:
            data = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = answers.pop(0) if answers else 200
            if status != 200:
                return self.reply(status, {"error": {"code": "overloaded", "message": "cannot take it now", "hint": "wait"}})
            bodies.append(body)
            return self.reply(200, {"accepted": len(body["time"]), "refused": []})

        def do_GET(self) -> None:
            self.reply(200, {"incidents": [{"start": T0, "state": "open", "score": 0.7, "title": "cpu is 500"}], "next": None})

        def log_message(self, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    return server, bodies


def test_sends_to_a_server(spike: Path, capsys: Capture) -> None:
    """--to posts every sample once and in order, waits when told to, and prints the server's incidents."""
    server, bodies = serve([429])
    with server:
        assert 0 == main(["replay", str(spike), "--to", f"http://127.0.0.1:{server.server_address[1]}"])
        server.shutdown()
    out, err = capsys.readouterr()
    times = [t for body in bodies for t in body["time"]]
    assert [T0 + n * MINUTE for n in range(2880)] == times
    assert "cpu is 500" in out
    assert "2,880 samples accepted, 0 refused" in err


def test_sends_a_refusal_on(spike: Path, capsys: Capture) -> None:
    """A 400 ends the replay with the server's own words."""
    server, _ = serve([400])
    with server:
        assert 2 == main(["replay", str(spike), "--to", f"http://127.0.0.1:{server.server_address[1]}"])
        server.shutdown()
    assert "awry: cannot take it now\n  wait\n" == capsys.readouterr().err


def test_no_server_there(spike: Path, capsys: Capture) -> None:
    """A server that does not answer is said so."""
    assert 2 == main(["replay", str(spike), "--to", "http://127.0.0.1:9"])
    assert "cannot reach http://127.0.0.1:9" in capsys.readouterr().err
