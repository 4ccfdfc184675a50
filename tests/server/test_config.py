"""The config file: every mistake is found with its line, and no secret is shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from awry.core.errors import InvalidConfig, InvalidInput
from awry.server.config import Config, check_config, load_config
from awry.server.durations import format_duration, parse_duration, parse_size
from awry.server.settings import SECTIONS, parse_address, settings_table


def write(folder: Path, text: str) -> Path:
    file = folder / "awry.toml"
    file.write_text(text, encoding="utf-8")
    return file


def test_nothing_set_is_the_default() -> None:
    """Without file, environment and flags every setting has its default."""
    assert load_config() == Config()


def test_environment_wins_over_file_and_flags_over_both(tmp_path: Path) -> None:
    """Flags beat the environment, which beats the file."""
    file = write(tmp_path, '[server]\ndata = "a"\nhttp = "127.0.0.1:1"\nlog = "error"\n')
    config = load_config(
        file,
        env={"AWRY_SERVER_DATA": "b", "AWRY_SERVER_HTTP": "127.0.0.1:2", "AWRY_HOST_ENABLED": "false", "AWRY_LIMITS_SERIES": "7"},
        flags={"server.data": "c"},
    )
    assert (config.server.data, config.server.http, config.server.log) == ("c", "127.0.0.1:2", "error")
    assert (config.host.enabled, config.limits.series) == (False, 7)


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ('[server]\n\nhtpp = "x"\n', 3, "did you mean 'http'?"),
        ("[sever]\n", 1, "did you mean 'server'?"),
        ('[store]\nretention = "5 parsecs"\n', 2, "cannot read the duration '5 parsecs'"),
        ("[engine]\nshards = -1\n", 2, "the least is 0"),
        ("[host]\nenabled = 3\n", 2, "true or false is expected"),
        ('[auth]\nwrite_token = "plain"\n', 2, "cannot take a secret from the config file itself"),
        ('[auth]\nwrite_token = { env = "NOT_SET" }\n', 2, "the environment variable NOT_SET is not set"),
        ("[rule.a]\nthreshold = 2\n", 2, "2.0 is not in (0, 1]"),
        ('[rule.a]\nthreshold = 0.5\nbudget = "1 per 3d"\n', 3, "not both"),
        ('[rule.a]\nselector = "a{"\n', 2, "no closing brace"),
        ("[rule.a]\nwindow = 3\n", 2, "unknown field `window`"),
        ('[rule.a]\nnotify = ["nobody"]\n', 2, "there is no notifier 'nobody'"),
        ('[notifier.a]\ntype = "wehbook"\n', 2, "did you mean 'webhook'?"),
        ("[source.a]\nport = 3\n", 1, "cannot do without the key 'type'"),
        ('[server]\nhttp = "0.0.0.0:7979"\n', 2, "without a token"),
        ('[server]\ngraphite = "0.0.0.0:2003"\n', 2, "knows no tokens"),
        ('[source.g]\ntype = "graphite_tcp"\nhost = "0.0.0.0"\n', 3, "knows no tokens"),
        ('[server]\ngraphite_pickle = "0.0.0.0:2004"\n', 2, "knows no tokens"),
        ('[server]\nstatsd = "0.0.0.0:8125"\n', 2, "open_statsd = true"),
        ('[source.s]\ntype = "statsd"\nhost = "0.0.0.0"\n', 3, "open_statsd = true"),
        ("a = = b\n", 1, "cannot read it as TOML"),
    ],
)
def test_a_mistake_is_found_with_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    """Each mistake is told with its line and what to write instead."""
    findings = check_config(write(tmp_path, text))
    assert [line] == [f.line for f in findings]
    assert words in str(findings[0])


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """Loading refuses the file and lists every mistake."""
    with pytest.raises(InvalidConfig) as caught:
        load_config(write(tmp_path, "[server]\na = 1\nb = 2\n"))
    assert "line 2" in caught.value.message
    assert "line 3" in caught.value.message


def test_all_mistakes_of_a_rule_are_told_at_once(tmp_path: Path) -> None:
    """Reading a rule ends at its first mistake; its others are found all the same, each with its line."""
    text = '[rule.x]\nselector = "a{"\nthreshold = 3\nfor = "soon"\nbudgett = 1\n'
    with pytest.raises(InvalidConfig) as caught:
        load_config(write(tmp_path, text))
    assert [2, 3, 4, 5] == [n for n in range(1, 10) if f"line {n}:" in caught.value.message]


def test_secrets_come_from_environment_or_file_and_are_never_shown(tmp_path: Path) -> None:
    """Both sources work, relative files start at the config file, and no repr has the secret."""
    (tmp_path / "token").write_text("hush-file\n", encoding="utf-8")
    text = """
[auth]
read_token = { env = "T" }
write_token = { file = "token" }
[notifier.a]
type = "webhook"
url = { env = "U" }
"""
    config = load_config(write(tmp_path, text), env={"T": "hush-env", "U": "https://hush.example"})
    assert config.auth.read_token is not None
    assert config.auth.write_token is not None
    assert ("hush-env", "hush-file") == (config.auth.read_token.value, config.auth.write_token.value)
    assert "hush" not in repr(config)


def test_beyond_loopback_with_a_token(tmp_path: Path) -> None:
    """A write token allows other machines in; a read token alone is a mistake."""
    assert [] == check_config(
        write(tmp_path, '[server]\nhttp = "0.0.0.0:7979"\n[auth]\nwrite_token = { env = "T" }\n'), env={"T": "t"}
    )
    assert 1 == len(check_config(write(tmp_path, '[auth]\nread_token = { env = "T" }\n'), env={"T": "t"}))


def test_every_setting_has_a_sentence_and_its_default_is_read_back() -> None:
    """The table has one row per field, and each default is written as the file takes it."""
    table = settings_table()
    assert sum(len(cls.__dataclass_fields__) for cls in SECTIONS.values()) == len(table)
    assert all(row.sentence.endswith(".") and row.env.startswith("AWRY_") for row in table)


@pytest.mark.parametrize(("text", "ms"), [("90s", 90_000), ("1h30m", 5_400_000), ("500ms", 500), ("1.5d", 129_600_000), ("0", 0)])
def test_durations(text: str, ms: int) -> None:
    """A number and a unit, several of them, and back again."""
    assert ms == parse_duration(text)
    assert ms == parse_duration(format_duration(ms))


@pytest.mark.parametrize("text", ["", "5", "5 m", "m", "-5s", "1e9d", 5, None, "99999d"])
def test_bad_durations(text: object) -> None:
    """Anything else is refused."""
    with pytest.raises(InvalidInput):
        parse_duration(text)


def test_sizes_and_addresses() -> None:
    """Bytes with and without a unit; addresses of both families."""
    assert [5, 33_554_432, 10**10] == [parse_size(5), parse_size("32MiB"), parse_size("10GB")]
    assert [("127.0.0.1", 1), ("::1", 2), ("0.0.0.0", 3)] == [parse_address(a) for a in ("127.0.0.1:1", "[::1]:2", ":3")]
    for bad in ("localhost", "a:b", "a:70000", "::1:5"):
        with pytest.raises(InvalidInput):
            parse_address(bad)
