"""The command itself: help, errors, exit statuses, and that it starts without loading what it does not need."""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from awry.cli import main as command
from awry.core.errors import InvalidInput

Capture = pytest.CaptureFixture[str]


def test_help_lists_every_command(capsys: Capture) -> None:
    """The overview names each command with a sentence, and examples."""
    assert 0 == command.main([])
    text = capsys.readouterr().out
    assert all(name in text and summary.split()[0] in text for name, (_, summary) in command.COMMANDS.items())
    assert "examples:" in text


@pytest.mark.parametrize("name", command.COMMANDS)
def test_each_command_has_help(name: str, capsys: Capture) -> None:
    """`awry COMMAND --help` describes every argument."""
    with pytest.raises(SystemExit) as left:
        command.main([name, "--help"])
    assert 0 == left.value.code
    assert f"usage: awry {name}" in capsys.readouterr().out


def test_every_argument_is_explained() -> None:
    """No flag without a sentence."""
    parser = command.build_parser("*")
    commands = next(a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    bare = [f"{name} {action.dest}" for name, sub in commands.choices.items() for action in sub._actions if not action.help]
    assert [] == bare


def test_fixed_flags_of_serve_and_demo() -> None:
    """Others build on these."""
    for name in ("serve", "demo"):
        args = command.build_parser(name).parse_args(
            [name, "--config", "a.toml", "--data", "d", "--http", "127.0.0.1:1", "--graphite", "off"]
        )
        assert (Path("a.toml"), "d", "127.0.0.1:1", "off") == (args.config, args.data, args.http, args.graphite)


def test_unknown_command(capsys: Capture) -> None:
    """A mistyped command ends with status 2 and the list of commands."""
    with pytest.raises(SystemExit) as left:
        command.main(["sevre"])
    assert 2 == left.value.code
    assert "serve" in capsys.readouterr().err


def test_errors_are_said_not_thrown(capsys: Capture) -> None:
    """One line of what and why, one of what to do, status 2, nothing on standard output."""
    assert 2 == command.main(["replay", "/nonexistent/cpu.csv"])
    out, err = capsys.readouterr()
    assert "" == out
    assert err.startswith("awry: cannot read /nonexistent/cpu.csv: No such file or directory\n  ")
    assert "Traceback" not in err


@pytest.mark.parametrize(("error", "status"), [(InvalidInput("cannot x"), 2), (KeyboardInterrupt(), 130)])
def test_exit_status(error: BaseException, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Our errors are status 2, Ctrl-C is 130 without a traceback."""

    def fail(args: argparse.Namespace) -> int:
        raise error

    monkeypatch.setattr("awry.cli.version.run", fail)
    assert status == command.main(["version"])


def test_version(capsys: Capture) -> None:
    """Versions of what matters for a bug report."""
    assert 0 == command.main(["version"])
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert ["awry", "Python", "numpy", "numba", "polars", "SQLAlchemy"] == names
    assert 0 == command.main(["--version"])
    assert "awry 0" in capsys.readouterr().out


def test_help_loads_nothing_heavy() -> None:
    """`awry --help` loads neither numpy nor anything of a server."""
    code = "import sys; from awry.cli.main import main; main(['--version']); print(*sorted(m.split('.')[0] for m in sys.modules))"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    heavy = {"numpy", "numba", "polars", "starlette", "sqlalchemy", "httpx", "rich", "psutil", "msgspec"}
    assert set() == heavy & set(run.stdout.split())


def test_help_is_quick() -> None:
    """`awry --help` takes less than 0.3 s of the processor longer than Python alone does; best of five."""

    def used() -> float:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return children.ru_utime + children.ru_stime

    def best(*code: str) -> float:
        taken = []
        for _ in range(5):
            began = used()
            subprocess.run([sys.executable, *code], stdout=subprocess.DEVNULL, check=True)
            taken.append(used() - began)
        return min(taken)

    assert best("-m", "awry.cli.main", "--help") - best("-c", "pass") < 0.3
