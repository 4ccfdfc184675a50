"""OTLP metrics over gRPC, answered once they are committed; grpcio carries the bytes, our own decoder reads them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Self

from awry.core.errors import AwryError, CannotListen, InvalidConfig, Overloaded, StoreUnavailable
from awry.formats import otlp_answer as answer
from awry.server.intake import counted
from awry.server.otlp import export
from awry.server.problems import STORE_RETRY_SECONDS, unexpected
from awry.server.settings import parse_address

if TYPE_CHECKING:
    from awry.server.app import App

SOURCE = "otlp_grpc"
"""Name in counters."""
SERVICE = "opentelemetry.proto.collector.metrics.v1.MetricsService"
GRACE_SECONDS = 3
CALLS = 256
"""Most calls at a time; further ones are told to come back."""


class OtlpGrpc:
    """Entering listens, leaving lets calls in progress end. Raises CannotListen, and InvalidConfig when grpcio is not there."""

    def __init__(self, app: App, address: str) -> None:
        self._app = app
        self._host, self._port = parse_address(address)
        self._server: Any = None
        self.address = ("", 0)
        """Host and port listened on, after entering."""

    async def __aenter__(self) -> Self:
        try:
            import grpc
        except ImportError as error:
            raise InvalidConfig(
                "cannot listen for OTLP over gRPC: grpcio is not installed",
                hint="pip install 'awry[grpc]', or set [server] otlp_grpc = \"off\"",
            ) from error
        limits = self._app.config.limits
        options = [("grpc.max_receive_message_length", min(limits.decompressed_bytes, 2**31 - 1)), ("grpc.so_reuseport", 0)]
        self._server = grpc.aio.server(options=options, maximum_concurrent_rpcs=CALLS)
        handler = grpc.unary_unary_rpc_method_handler(self._export)  # without (de)serialisers: bytes in, bytes out
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {"Export": handler}),))
        host = f"[{self._host}]" if ":" in self._host else self._host
        try:
            port = self._server.add_insecure_port(f"{host}:{self._port}")
        except RuntimeError as error:
            raise CannotListen(
                f"cannot listen on {host}:{self._port}: grpcio could not bind to it",
                hint="stop the other program, or choose another port: [server] otlp_grpc",
            ) from error
        await self._server.start()
        self.address = (self._host, port)
        return self

    async def __aexit__(self, *exc: object) -> None:
        if self._server is not None:
            await self._server.stop(GRACE_SECONDS)
            self._server = None

    async def _export(self, body: bytes, context: Any) -> bytes:
        import grpc

        code = grpc.StatusCode
        auth = self._app.auth
        if auth.needed:
            scheme, _, token = _metadata(context, "authorization").partition(" ")
            role = auth.role_of(token.strip()) if scheme.lower() == "bearer" else "none"
            if role != "write":
                kind = code.UNAUTHENTICATED if role == "none" else code.PERMISSION_DENIED
                await context.abort(kind, "cannot take metrics without the write token (send authorization: Bearer TOKEN)")
        try:
            with counted(self._app, SOURCE):
                return answer.success(*await export(self._app, SOURCE, body))
        except (Overloaded, StoreUnavailable) as error:
            seconds = math.ceil(error.after_seconds) if isinstance(error, Overloaded) else STORE_RETRY_SECONDS
            details = answer.status(answer.UNAVAILABLE, error.message, retry_seconds=max(1, seconds))
            await context.abort(code.UNAVAILABLE, error.message, (("grpc-status-details-bin", details),))
        except AwryError as error:
            await context.abort(code.INVALID_ARGUMENT, error.message)
        except Exception as error:
            unexpected(error, SERVICE)  # logged in full under an id
            await context.abort(code.INTERNAL, "cannot answer: an unexpected error, see the server's log")
        return b""


def _metadata(context: Any, name: str) -> str:
    return next((str(value) for key, value in context.invocation_metadata() or () if key == name), "")
