"""Secrets of the config file, `{ env = "NAME" }` or `{ file = "path" }`: read once, never printed."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from awry.core.errors import InvalidConfig

_MAX_BYTES = 8192


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret text; its repr hides it."""

    value: str = field(repr=False)

    def __repr__(self) -> str:
        return "Secret(***)"

    def equals(self, other: str) -> bool:
        """Whether `other` is the secret, in constant time."""
        return hmac.compare_digest(self.value.encode(), other.encode("utf-8", "surrogatepass"))


def is_secret_table(value: object) -> bool:
    """Whether a TOML value has the form of a secret."""
    return isinstance(value, dict) and set(value) in ({"env"}, {"file"})


def read_secret(value: object, env: Mapping[str, str], base: Path) -> Secret:
    """The secret that a TOML table names; relative files start at `base`. Raises InvalidConfig (never with the secret in it)."""
    if not isinstance(value, dict) or not is_secret_table(value):
        raise InvalidConfig(
            "cannot take a secret from the config file itself", hint='write { env = "NAME" } or { file = "/run/secrets/name" }'
        )
    if "env" in value:
        name = str(value["env"])
        text = env.get(name, "")
        if not text:
            raise InvalidConfig(f"cannot read the secret: the environment variable {name} is not set")
        return Secret(text)
    path = base / str(value["file"])
    try:
        with path.open("rb") as file:
            text = file.read(_MAX_BYTES).decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        cause = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise InvalidConfig(f"cannot read the secret file {path}: {cause}") from error
    if not text:
        raise InvalidConfig(f"cannot use the secret file {path}: it is empty")
    return Secret(text)
