"""Opening of listening sockets with errors that say what to do; for every door that listens."""

from __future__ import annotations

import errno
import resource
import socket

from awry.core.errors import CannotListen

_CAUSES = {
    errno.EADDRINUSE: ("port in use", "stop the other program, or choose another port"),
    errno.EACCES: ("not allowed", "choose a port from 1024 on, or grant CAP_NET_BIND_SERVICE"),
    errno.EADDRNOTAVAIL: ("no such address on this machine", "use 127.0.0.1 for this machine only, 0.0.0.0 for all"),
}
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
"""Errors of `accept` that pass when other files are closed."""


def listen(host: str, port: int, kind: socket.SocketKind, *, backlog: int = 1024) -> socket.socket:
    """A non-blocking socket bound to host:port, listening if it is a stream. Raises CannotListen."""
    if not 0 <= port <= 65_535:
        raise CannotListen(f"cannot listen on {host}:{port}: no such port", hint="choose a port from 1024 to 65535")
    try:
        family, _, protocol, _, address = socket.getaddrinfo(host, port, type=kind, flags=socket.AI_PASSIVE)[0]
    except OSError as error:
        raise CannotListen(f"cannot listen on {host}:{port}: unknown host ({error})", hint="write host:port") from error
    opened = socket.socket(family, kind, protocol)
    try:
        opened.setblocking(False)
        if kind == socket.SOCK_STREAM:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        opened.bind(address)
        if kind == socket.SOCK_STREAM:
            opened.listen(backlog)
    except OSError as error:
        opened.close()
        cause, hint = _CAUSES.get(error.errno or 0, (str(error), ""))
        raise CannotListen(f"cannot listen on {host}:{port}: {cause}", hint=hint) from error
    return opened


def affordable(connections: int) -> int:
    """At most so many connections as leave half of the process's open files (256 at most) to everything else."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return connections
    return max(1, min(connections, limit - min(256, limit // 2)))


def address_of(opened: socket.socket) -> tuple[str, int]:
    """Host and port a socket is bound to."""
    name = opened.getsockname()
    return str(name[0]), int(name[1])
