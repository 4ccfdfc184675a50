"""Says whether an address is loopback, and refuses to listen beyond it without a token; for the config and the wiring."""

from __future__ import annotations

import ipaddress

from awry.core.errors import InvalidConfig
from awry.server.settings import AuthSection, ServerSection, parse_address


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine only."""
    if host.lower() in ("localhost", "localhost.localdomain", "ip6-localhost"):
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return bool((mapped or address).is_loopback)


def exposure_problems(server: ServerSection, auth: AuthSection) -> list[tuple[str, str, InvalidConfig]]:
    """(section, key, problem) for every door that would be open to other machines without a token."""
    problems = []
    if auth.read_token is not None and auth.write_token is None:
        error = InvalidConfig("cannot use a read token alone: nobody could send samples", hint="set [auth] write_token too")
        problems.append(("auth", "read_token", error))
    if auth.read_token is not None and auth.write_token is not None and auth.read_token == auth.write_token:
        error = InvalidConfig("cannot use the same token for reading and writing", hint="leave read_token out, or make another one")
        problems.append(("auth", "read_token", error))
    if not auth.configured and not is_loopback(parse_address(server.http)[0]):
        error = InvalidConfig(
            f"cannot listen on {server.http} without a token: other machines could read and change everything",
            hint="set [auth] write_token, or listen on 127.0.0.1",
        )
        problems.append(("server", "http", error))
    for key, address in (("otlp_http", server.otlp_http), ("otlp_grpc", server.otlp_grpc)):
        if address != "off" and not auth.configured and not is_loopback(parse_address(address)[0]):
            error = InvalidConfig(
                f"cannot listen on {address} without a token: other machines could send metrics",
                hint="set [auth] write_token, or listen on 127.0.0.1",
            )
            problems.append(("server", key, error))
    for key, address in (("graphite", server.graphite), ("graphite_pickle", server.graphite_pickle)):
        if address != "off" and (refusal := graphite_problem(parse_address(address)[0], auth)):
            problems.append(("server", key, refusal))
    if server.statsd != "off" and (refusal := statsd_problem(parse_address(server.statsd)[0], auth)):
        problems.append(("server", "statsd", refusal))
    return problems


def statsd_problem(host: str, auth: AuthSection) -> InvalidConfig | None:
    """Why a StatsD listener may not be opened on this host, or None."""
    if is_loopback(host) or (auth.configured and auth.open_statsd):
        return None
    return InvalidConfig(
        f"cannot accept StatsD lines on {host}: the protocol knows no tokens, so every machine could send",
        hint="set [auth] write_token and open_statsd = true if the network is trusted, or listen on 127.0.0.1",
    )


def graphite_problem(host: str, auth: AuthSection) -> InvalidConfig | None:
    """Why a Graphite listener may not be opened on this host, or None."""
    if is_loopback(host) or (auth.configured and auth.open_graphite):
        return None
    return InvalidConfig(
        f"cannot accept Graphite lines on {host}: the protocol knows no tokens, so every machine could send",
        hint="set [auth] write_token and open_graphite = true if the network is trusted, or listen on 127.0.0.1",
    )
