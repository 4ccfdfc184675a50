"""Notifiers as the config file writes them, with secrets from the environment and from files."""

from __future__ import annotations

from pathlib import Path

import pytest

from awry.core.errors import InvalidConfig
from awry.notifiers.apprise import Apprise
from awry.notifiers.webhook import Webhook
from awry.server.config import load_config
from awry.server.wiring import build_notifiers

CONFIG = """
[notifier.hook]
type = "webhook"
url = { env = "HOOK_URL" }
secret = { file = "hook.key" }
headers = { Authorization = { env = "HOOK_AUTH" }, X-Team = "ops" }

[notifier.chat]
type = "apprise"
urls = [{ env = "CHAT_URL" }, "json://localhost/"]
"""


def test_secrets_from_environment_and_file(tmp_path: Path) -> None:
    """A secret may stand for an option, an element of a list, or a value of a table; none is in the repr."""
    (tmp_path / "awry.toml").write_text(CONFIG)
    (tmp_path / "hook.key").write_text("s3cret\n")
    env = {"HOOK_URL": "https://hooks.example/t0ken", "HOOK_AUTH": "Bearer abc", "CHAT_URL": "json://user:pw@chat/"}
    config = load_config(tmp_path / "awry.toml", env=env)
    built = build_notifiers(config)
    hook, chat = built["hook"], built["chat"]
    assert isinstance(hook, Webhook)
    assert isinstance(chat, Apprise)
    assert ("https://hooks.example/t0ken", "s3cret") == (hook.url, hook.secret)
    assert {"Authorization": "Bearer abc", "X-Team": "ops"} == dict(hook.headers)
    assert ("json://user:pw@chat/", "json://localhost/") == chat.urls
    assert not any(secret in repr((config, built)) for secret in ("t0ken", "s3cret", "abc", "pw"))


def test_a_missing_secret_is_said(tmp_path: Path) -> None:
    """The message names the variable and the line."""
    (tmp_path / "awry.toml").write_text('[notifier.chat]\ntype = "apprise"\nurls = [{ env = "CHAT_URL" }]\n')
    with pytest.raises(InvalidConfig) as found:
        load_config(tmp_path / "awry.toml", env={})
    expected = "line 3: notifier.chat.urls: cannot read the secret: the environment variable CHAT_URL is not set"
    assert expected in found.value.message
