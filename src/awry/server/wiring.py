"""Turns the settings into the parts that the app enters: store options, engine settings, rules, sources, notifiers."""

from __future__ import annotations

import asyncio
import resource
from pathlib import Path

from awry.connectors.demo import demo_recordings
from awry.connectors.graphite import GraphiteTcp, GraphiteUdp
from awry.connectors.graphite_pickle import GraphitePickle
from awry.connectors.host import HostSource
from awry.connectors.replay import ReplaySource
from awry.connectors.statsd import Statsd
from awry.core.clock import Clock
from awry.core.protocols import Notifier, Source
from awry.core.rule import Rule
from awry.detection.router import Router
from awry.engine.settings import DEFAULT_RULE, EngineSettings
from awry.server.components import build
from awry.server.config import Config
from awry.server.settings import parse_address
from awry.stores.sql import SqlStore, open_store


def raise_open_files() -> int:
    """Let the process open as many files as the system allows it; tells how many that is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = min(hard, 1 << 20) if hard != resource.RLIM_INFINITY else 1 << 20
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        return wanted
    return soft if soft != resource.RLIM_INFINITY else wanted


async def open_configured_store(config: Config) -> SqlStore:
    """The store of the settings. Raises StoreInUse, StoreCorrupt, StoreTooNew, StoreUnavailable or StoreError."""
    target = config.store.url or Path(config.server.data)
    return await asyncio.to_thread(
        open_store, target, retention_ms=config.store.retention_ms, max_bytes=config.store.max_bytes or None
    )


def engine_settings(config: Config) -> EngineSettings:
    """The engine's own settings; shards 0 leaves its default."""
    section = config.engine
    common = {
        "queue_samples": section.queue_samples,
        "future_ms": section.future_tolerance_ms,
        "checkpoint_ms": section.checkpoint_interval_ms,
        "silent_ms": section.parked_after_ms,
        "forget_ms": config.store.retention_ms,
    }
    return EngineSettings(shards=section.shards, **common) if section.shards else EngineSettings(**common)


def configured_rules(config: Config) -> tuple[Rule, ...]:
    """The default rule, unless the file has one of that name, and the rules of the file."""
    named_so = any(rule.name == DEFAULT_RULE.name for rule in config.rules)
    return config.rules if named_so else (DEFAULT_RULE, *config.rules)


def build_judge(config: Config) -> Router:
    """What judges samples: the detector of each series, by the configuration and by what its samples show."""
    return Router(config.placement, memory_bytes=config.detection.memory_bytes)


def build_sources(config: Config, clock: Clock, *, demo: bool = False) -> list[Source]:
    """Every source but the Graphite listeners."""
    sources: list[Source] = []
    if config.host.enabled:
        sources.append(HostSource(interval_seconds=config.host.interval_ms / 1000, clock=clock))
    if demo:
        sources.append(ReplaySource(demo_recordings(), name="demo", clock=clock))
    return sources + [build(spec) for spec in config.sources]


def graphite_tcp(config: Config, clock: Clock) -> GraphiteTcp | None:
    """The Graphite listener on TCP, or None when it is off."""
    if config.server.graphite == "off":
        return None
    host, port = parse_address(config.server.graphite)
    return GraphiteTcp(host=host, port=port, clock=clock)


def graphite_udp(tcp: GraphiteTcp, clock: Clock) -> GraphiteUdp:
    """The Graphite listener on UDP, on the port that the one on TCP (entered already) has."""
    return GraphiteUdp(host=tcp.host, port=tcp.address[1], clock=clock)


def graphite_pickle(config: Config, clock: Clock) -> GraphitePickle | None:
    """The listener for Graphite's pickle protocol, or None when it is off."""
    if config.server.graphite_pickle == "off":
        return None
    host, port = parse_address(config.server.graphite_pickle)
    return GraphitePickle(host=host, port=port, clock=clock)


def statsd(config: Config, clock: Clock) -> Statsd | None:
    """The StatsD listener, or None when it is off."""
    if config.server.statsd == "off":
        return None
    host, port = parse_address(config.server.statsd)
    seconds = max(1, config.server.statsd_flush_interval_ms // 1000)
    return Statsd(host=host, port=port, flush_interval_seconds=seconds, clock=clock)


def build_notifiers(config: Config) -> dict[str, Notifier]:
    """The notifiers by name, not yet entered."""
    return {spec.name: build(spec) for spec in config.notifiers}
