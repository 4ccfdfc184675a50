"""A running server is exported over the API and goes on elsewhere, on any database, as if it had been there all the time."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from awry.cli.main import main
from awry.server.settings import StoreSection
from tests.server.live import READ, WRITE, Live
from tests.stores.conftest import target  # noqa: F401  # a fixture

T0 = int(time.time() * 1000) // 60_000 * 60_000 - 86_400_000
SERIES = [f'load{{host="{name}"}}' for name in "abcde"]
Capture = pytest.CaptureFixture[str]


def rows(minute: int) -> list[tuple[str, int | str, Any]]:
    """One sample of each series; a jump now and then."""
    rng = np.random.default_rng(minute)
    values = 50 + 10 * np.sin(minute / 20) + rng.normal(0, 1, len(SERIES)) + 80 * (rng.random(len(SERIES)) < 0.01)
    return [(key, T0 + minute * 60_000, round(float(v), 3)) for key, v in zip(SERIES, values, strict=True)]


def told(server: Live) -> list[Any]:
    """All that the API says of the samples, and which incidents there are."""
    found: list[Any] = []
    for key in SERIES:
        params = {"series": key, "start": T0, "end": T0 + 86_400_000}
        found.append(server.client.get("/api/v1/samples", params=params).json())
    incidents = server.client.get("/api/v1/incidents", params={"state": "all"}).json()["incidents"]
    return [*found, [(i["id"], i["start"], i["score"], i["title"]) for i in incidents]]


def test_it_goes_on_elsewhere(target: str, tmp_path: Path, capsys: Capture) -> None:  # noqa: F811
    """Exported while samples flow, imported, and sent the same from there on: scores, bands, reasons and incidents are equal."""
    with Live(tmp_path / "one") as one:
        for minute in range(300):
            one.send(rows(minute))
        stop = threading.Event()
        sent = 300

        def flow() -> None:
            nonlocal sent
            while not stop.is_set():
                one.send(rows(sent))
                sent += 1

        sender = threading.Thread(target=flow)
        sender.start()
        try:
            assert 0 == main(["state", "export", str(tmp_path / "state.tar"), "--url", one.url])
        finally:
            stop.set()
            sender.join()
        assert "5 series as of" in capsys.readouterr().out
        if "://" in target:
            config = tmp_path / "awry.toml"
            config.write_text(f'[store]\nurl = "{target}"\n')
            assert 0 == main(["state", "import", str(tmp_path / "state.tar"), "--config", str(config)])
        else:
            assert 0 == main(["state", "import", str(tmp_path / "state.tar"), "--data", target])
        assert "5 series" in capsys.readouterr().out
        store = {"store": StoreSection(url=target)} if "://" in target else {}
        with Live(Path(target) if "://" not in target else tmp_path / "two", **store) as two:
            known = len(two.client.get("/api/v1/samples", params={"series": SERIES[0], "start": T0}).json()["time"])
            assert 300 <= known <= sent
            for minute in range(known, sent):
                two.send(rows(minute))
            for minute in range(sent, sent + 60):
                assert one.send(rows(minute)) == two.send(rows(minute))
            assert told(one) == told(two)


def test_who_may_export(guarded: Live) -> None:
    """It takes the write token: a read token sees samples, but not everything."""
    read, write = ({"Authorization": f"Bearer {token}"} for token in (READ, WRITE))
    answer = guarded.client.get("/api/v1/state", headers=read)
    assert (403, "forbidden") == (answer.status_code, answer.json()["error"]["code"])
    assert 401 == guarded.client.get("/api/v1/state").status_code
    assert 400 == guarded.client.get("/api/v1/state?history=some", headers=write).status_code
    head = guarded.client.head("/api/v1/state", headers=write)
    assert (200, "application/x-tar", b"") == (head.status_code, head.headers["content-type"], head.content)
    for history in ("true", "false"):
        answer = guarded.client.get(f"/api/v1/state?history={history}", headers=write)
        assert (200, "application/x-tar") == (answer.status_code, answer.headers["content-type"])
        assert answer.content.startswith(b"manifest.json\0")


def test_one_at_a_time_and_not_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second export meanwhile is put off; a client that reads nothing is cut after body_timeout, then another may come."""
    from awry.server.settings import LimitSection
    from awry.stores.sql import SqlStore

    def endless(self: SqlStore, **options: object) -> Any:
        while True:
            yield bytes(1 << 20)

    with Live(tmp_path, limits=LimitSection(body_timeout_ms=1000)) as server:
        monkeypatch.setattr(SqlStore, "export", endless)
        address = httpx.URL(server.url)
        with socket.create_connection((address.host, address.port or 80)) as client:
            client.sendall(b"GET /api/v1/state HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            assert client.recv(12) == b"HTTP/1.1 200"
            answer = server.client.get("/api/v1/state")
            assert (429, "overloaded") == (answer.status_code, answer.json()["error"]["code"])
            deadline = time.monotonic() + 30
            monkeypatch.undo()
            while (answer := server.client.get("/api/v1/state")).status_code == 429 and time.monotonic() < deadline:
                time.sleep(0.1)
            assert 200 == answer.status_code


def test_a_stop_ends_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that stops does not wait for an export to end; what came of it has no end, so nobody takes it for whole."""
    from awry.stores.sql import SqlStore

    def endless(self: SqlStore, **options: object) -> Any:
        while True:
            yield bytes(1 << 16)

    monkeypatch.setattr(SqlStore, "export", endless)
    with Live(tmp_path) as server, server.client.stream("GET", "/api/v1/state") as answer:
        body = answer.iter_raw()
        next(body)
        server.call(server.app.stopping.set)
        with pytest.raises(httpx.TransportError):
            for _ in body:
                pass


def test_what_the_command_refuses(tmp_path: Path, capsys: Capture) -> None:
    """No server, no database, a file that is there, two sources at once: told in a line; no part of a file is left."""
    (tmp_path / "there").touch()
    out = tmp_path / "out.tar"
    for words, said in (
        (["export", str(out), "--url", "http://127.0.0.1:9"], "cannot reach http://127.0.0.1:9"),
        (["export", str(out), "--data", str(tmp_path / "none")], "cannot find a database"),
        (["export", str(tmp_path / "there"), "--url", "http://127.0.0.1:9"], "it exists already"),
        (["export", str(out), "--url", "http://127.0.0.1:9", "--data", str(tmp_path)], "at once"),
        (["export", str(tmp_path / "no" / "out.tar"), "--data", str(tmp_path)], "cannot"),
        (["import", str(tmp_path / "there"), "--data", str(tmp_path / "new")], "no file of `awry state export`"),
        (["import", str(tmp_path / "nothing"), "--data", str(tmp_path / "new")], "No such file"),
    ):
        assert 2 == main(["state", *words])
        assert said in capsys.readouterr().err
    assert ["there"] == sorted(path.name for path in tmp_path.iterdir())


def test_a_stopped_servers_folder(tmp_path: Path, capsys: Capture) -> None:
    """The command reads a folder as well, and says how much there is; `--without-history` makes the file smaller."""
    with Live(tmp_path / "one") as one:
        for minute in range(30):
            one.send(rows(minute))
    assert 0 == main(["compact", "--data", str(tmp_path / "one")])
    sizes = []
    for name, more in (("all.tar", []), ("state.tar", ["--without-history"])):
        assert 0 == main(["state", "export", str(tmp_path / name), "--data", str(tmp_path / "one"), *more])
        sizes.append((tmp_path / name).stat().st_size)
    assert sizes[1] < sizes[0]
    capsys.readouterr()
    assert 0 == main(["state", "import", str(tmp_path / "state.tar"), "--data", str(tmp_path / "two")])
    assert "it goes on where the file ends" in capsys.readouterr().out
