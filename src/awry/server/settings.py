"""Every setting of the config file as frozen dataclasses, with a sentence each: the one table that the reader and the docs use."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from typing import Any

from awry.core.errors import InvalidInput
from awry.core.placement import AUTO
from awry.formats.otlp_settings import QUANTILES, RESOURCE_ATTRIBUTES
from awry.server.durations import parse_duration, parse_size
from awry.server.secrets import Secret


def _setting(default: Any, sentence: str, kind: str, *, low: float | None = None, high: float | None = None) -> Any:
    """A dataclass field of one setting; `default` is written as in the file."""
    meta = {"sentence": sentence, "kind": kind, "default": default, "low": low, "high": high}
    return field(default=convert(kind, default, low, high), metadata=meta)


def _secret(sentence: str) -> dict[str, Any]:
    return {"sentence": sentence, "kind": "secret", "default": None, "low": None, "high": None}


def convert(kind: str, value: object, low: float | None = None, high: float | None = None) -> Any:
    """A TOML value (or the text of an environment variable) as Python has it. Raises InvalidInput."""
    converted = _CONVERTERS[kind](value)
    if isinstance(converted, int | float) and not isinstance(converted, bool):
        if low is not None and converted < low:
            raise InvalidInput(f"cannot use {value!r}: the least is {_spell(kind, low)}")
        if high is not None and converted > high:
            raise InvalidInput(f"cannot use {value!r}: the most is {_spell(kind, high)}")
    return converted


def _spell(kind: str, bound: float) -> str:
    return f"{bound / 1000:g}s" if kind == "duration" else f"{bound:g}"


def _string(value: object) -> str:
    if not isinstance(value, str):
        raise InvalidInput(f"cannot use {value!r}: a text in quotes is expected")
    return value


def _boolean(value: object) -> bool:
    if isinstance(value, bool):
        return value
    words = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise InvalidInput(f"cannot use {value!r}: true or false is expected")


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, str) and value.strip().replace("_", "").isdecimal():
        return int(value)
    raise InvalidInput(f"cannot use {value!r}: a whole number is expected")


def _strings(value: object) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise InvalidInput(f"cannot use {value!r}: a list of texts is expected")


def _fractions(value: object) -> tuple[float, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple):
        raise InvalidInput(f"cannot use {value!r}: a list of numbers is expected")
    try:
        found = tuple(float(part) for part in parts if str(part).strip())
    except (TypeError, ValueError) as error:
        raise InvalidInput(f"cannot use {value!r}: a list of numbers is expected") from error
    if not all(0 <= one <= 1 for one in found):
        raise InvalidInput(f"cannot use {value!r}: numbers from 0 to 1 are expected")
    return found


def parse_address(value: object) -> tuple[str, int]:
    """Host and port of "127.0.0.1:7979", "[::1]:7979" or ":7979" (every interface). Raises InvalidInput."""
    host, colon, port = _string(value).strip().rpartition(":")
    if not colon or not port.isascii() or not port.isdecimal() or int(port) > 65535 or (":" in host and not host.startswith("[")):
        raise InvalidInput(f"cannot read the address {value!r}", hint='write HOST:PORT, for example "127.0.0.1:7979"')
    return host.strip("[]") or "0.0.0.0", int(port)


def _address(value: object) -> str:
    parse_address(value)
    return str(value).strip()


def _address_or_off(value: object) -> str:
    return "off" if value in ("off", "", False) else _address(value)


def _level(value: object) -> str:
    levels = ("debug", "info", "warning", "error")
    if not isinstance(value, str) or value.lower() not in levels:
        raise InvalidInput(f"cannot use {value!r}: one of {', '.join(levels)} is expected")
    return value.lower()


_CONVERTERS: dict[str, Any] = {
    "text": _string, "boolean": _boolean, "integer": _integer, "list of texts": _strings, "address": _address,
    "address or off": _address_or_off, "duration": parse_duration, "size": parse_size, "log level": _level,
    "list of fractions": _fractions,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServerSection:
    """[server]: where to listen and where to keep things. Durations end in _ms in Python and not in the file."""

    data: str = _setting("./data", "Folder of the database and everything else that is kept.", "text")
    http: str = _setting("127.0.0.1:7979", "Address of the dashboard and the API; beyond loopback a token is needed.", "address")
    graphite: str = _setting(
        "127.0.0.1:2003", "Address of the Graphite plaintext listener, TCP and UDP; off disables it.", "address or off"
    )
    otlp_http: str = _setting(
        "127.0.0.1:4318",
        "Address of the OTLP listener over HTTP, for metrics at /v1/metrics; beyond loopback a token is needed; off disables it.",
        "address or off",
    )
    otlp_grpc: str = _setting(
        "off",
        'Address of the OTLP listener over gRPC, usually 127.0.0.1:4317; needs pip install "awry[grpc]"; off disables it.',
        "address or off",
    )
    graphite_pickle: str = _setting(
        "127.0.0.1:2004", "Address of the listener for Graphite's pickle protocol, TCP; off disables it.", "address or off"
    )
    statsd: str = _setting("127.0.0.1:8125", "Address of the StatsD listener, UDP; off disables it.", "address or off")
    statsd_flush_interval_ms: int = _setting(
        "10s", "StatsD metrics are gathered for so long (whole seconds), then become samples.", "duration", low=1000, high=300_000
    )
    hosts: tuple[str, ...] = _setting(
        [], "Names, besides loopback ones, by which browsers and clients may call this server (Host header).", "list of texts"
    )
    log: str = _setting("info", "How much is written to standard error: debug, info, warning or error.", "log level")


@dataclass(frozen=True, slots=True)
class AuthSection:
    """[auth]: who may read and who may write."""

    read_token: Secret | None = field(default=None, metadata=_secret("Token that may read everything and change nothing."))
    write_token: Secret | None = field(
        default=None, metadata=_secret("Token that may read, send samples and change rules and silences.")
    )
    session_ms: int = _setting("30d", "How long a login of the pages lasts.", "duration", low=60_000)
    open_graphite: bool = _setting(
        False, "Let the Graphite listeners, which know no tokens, accept samples from other machines.", "boolean"
    )

    open_statsd: bool = _setting(
        False, "Let the StatsD listener, which knows no tokens, accept samples from other machines.", "boolean"
    )

    @property
    def configured(self) -> bool:
        """Whether any token is set."""
        return self.read_token is not None or self.write_token is not None


@dataclass(frozen=True, slots=True)
class StoreSection:
    """[store]: which database, and how much history."""

    url: str = _setting("", "SQLAlchemy URL of the database; empty means a SQLite file in the data folder.", "text")
    retention_ms: int = _setting("90d", "Samples and resolved incidents older than this are deleted.", "duration", low=3_600_000)
    max_bytes: int = _setting(0, "Oldest samples are deleted when the database is larger than this; 0 means no limit.", "size")


@dataclass(frozen=True, slots=True)
class EngineSection:
    """[engine]: the hot path."""

    shards: int = _setting(0, "Compute threads; 0 means one per processor core.", "integer", low=0, high=256)
    queue_samples: int = _setting(
        2_000_000, "Samples that may wait for commit before sources are slowed down and clients told to.", "integer", low=1000
    )
    future_tolerance_ms: int = _setting("10m", "Samples further in the future than this are refused.", "duration", low=0)
    checkpoint_interval_ms: int = _setting(
        "5m", "Detector state is written down once within this time; bounds recovery time.", "duration", low=1000
    )
    parked_after_ms: int = _setting(
        "1d",
        "A series silent for longer than this is parked: its state leaves memory for the database until it sends again.",
        "duration",
        low=60_000,
    )


@dataclass(frozen=True, slots=True)
class DetectionSection:
    """[detection]: how series are judged, where no table [series.NAME] says otherwise."""

    detector: str = _setting(
        AUTO, "Detector of every series by its name; auto lets each have the one that its samples ask for.", "text"
    )
    time_zone: str = _setting("UTC", "Time zone whose hours and weekdays series follow, such as Europe/Berlin.", "text")
    holidays: str = _setting("", "Country whose holidays are days of rest, such as DE or DE-BY; empty means none.", "text")
    memory_bytes: int = _setting(
        0,
        "Memory for series with the default detector; series beyond it get the lean one. 0 means no limit.",
        "size",
        low=0,
    )


@dataclass(frozen=True, slots=True)
class LimitSection:
    """[limits]: what no client can exceed."""

    series: int = _setting(1_000_000, "Series that may exist; further ones are refused and counted.", "integer", low=1)
    new_series_per_minute: int = _setting(200_000, "New series that may appear within a minute.", "integer", low=1)
    body_bytes: int = _setting("32MiB", "Largest body of a request, as sent.", "size", low=1024)
    decompressed_bytes: int = _setting("128MiB", "Largest body of a request after decompression.", "size", low=1024)
    body_timeout_ms: int = _setting(
        "30s", "A client that has not sent its whole request by then is disconnected.", "duration", low=100
    )
    connections: int = _setting(
        0, "HTTP connections at a time; 0 means half of the open-file limit, at most 4096.", "integer", low=0
    )


@dataclass(frozen=True, slots=True)
class HostSection:
    """[host]: watching the machine that Awry runs on."""

    enabled: bool = _setting(True, "Watch this machine: processor, memory, load, disk, network, top processes.", "boolean")
    interval_ms: int = _setting("10s", "Distance between two samples of a host series.", "duration", low=1000, high=300_000)


@dataclass(frozen=True, slots=True)
class OtlpSection:
    """[otlp]: what becomes of OpenTelemetry metrics."""

    resource_attributes: tuple[str, ...] = _setting(
        list(RESOURCE_ATTRIBUTES),
        'Resource attributes that become labels; "*" keeps all, and "otel.scope.name" adds the name of the scope.',
        "list of texts",
    )
    quantiles: tuple[float, ...] = _setting(
        list(QUANTILES), "Quantiles that are estimated from histograms, each a series with the label quantile.", "list of fractions"
    )


SECTIONS: dict[str, type[Any]] = {
    "server": ServerSection,
    "auth": AuthSection,
    "store": StoreSection,
    "engine": EngineSection,
    "detection": DetectionSection,
    "limits": LimitSection,
    "host": HostSection,
    "otlp": OtlpSection,
}


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the settings table, for the docs."""

    section: str
    name: str
    type: str
    default: str
    sentence: str
    env: str


def file_name(attribute: str) -> str:
    """Name of a setting in the file: durations drop the unit."""
    return attribute.removesuffix("_ms")


def settings_table() -> list[Setting]:
    """Every setting of the fixed sections, in the order of the file; the docs are generated from it."""
    return [
        Setting(
            section=section,
            name=file_name(f.name),
            type=f.metadata["kind"],
            default=_show(f.metadata["default"]),
            sentence=f.metadata["sentence"],
            env=f"AWRY_{section}_{file_name(f.name)}".upper(),
        )
        for section, cls in SECTIONS.items()
        for f in dataclasses.fields(cls)
    ]


def _show(default: object) -> str:
    if default is None:
        return "not set"
    if isinstance(default, bool):
        return "true" if default else "false"
    return f'"{default}"' if isinstance(default, str) else str(default)
