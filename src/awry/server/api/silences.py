"""/api/v1/silences: time ranges in which nobody is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.errors import InvalidInput, NotFound
from awry.core.rule import Silence
from awry.engine.commands import DeleteSilence, PutSilence
from awry.server.api.params import resource, time_of
from awry.server.body import SMALL_BODY, read_body, read_json
from awry.server.durations import parse_duration
from awry.server.problems import reply
from awry.server.rule_shape import SilenceBody, check_silence, show_silence

if TYPE_CHECKING:
    from awry.server.app import App

MAX_SILENCES = 10_000


def routes(app: App) -> list[BaseRoute]:
    """/api/v1/silences and one of them."""

    def find(request: Request) -> Silence:
        id = request.path_params["id"]
        for silence in app.engine.snapshot.silences:
            if silence.id == id:
                return silence
        raise NotFound(f"cannot find the silence {id[:80]!r}", hint="GET /api/v1/silences lists them")

    async def read(request: Request, id: str = "") -> Silence:
        body = read_json(await read_body(request, app.config.limits, SMALL_BODY), SilenceBody)
        start = app.clock.now_ms() if body.start is None else time_of("start", body.start)
        if (body.end is None) == (body.duration is None):
            raise InvalidInput("cannot tell when the silence ends", hint='give either "end" or "duration", for example "2h"')
        end = time_of("end", body.end) if body.end is not None else start + parse_duration(body.duration)
        return check_silence(body, start, end, id)

    async def get(_: Request) -> Response:
        now = app.clock.now_ms()
        return reply({"silences": [show_silence(s, now) for s in app.engine.snapshot.silences]})

    async def post(request: Request) -> Response:
        silence = await read(request)
        if len(app.engine.snapshot.silences) >= MAX_SILENCES:
            raise InvalidInput(f"cannot keep more than {MAX_SILENCES} silences", hint="delete expired ones")
        await app.engine.command(PutSilence(silence))
        return reply(show_silence(silence, app.clock.now_ms()), 201, {"Location": f"/api/v1/silences/{silence.id}"})

    async def get_one(request: Request) -> Response:
        return reply(show_silence(find(request), app.clock.now_ms()))

    async def put_one(request: Request) -> Response:
        silence = await read(request, find(request).id)
        await app.engine.command(PutSilence(silence))
        return reply(show_silence(silence, app.clock.now_ms()))

    async def delete_one(request: Request) -> Response:
        await app.engine.command(DeleteSilence(find(request).id))
        return Response(status_code=204)

    return [
        resource("/api/v1/silences", get=get, post=post),
        resource("/api/v1/silences/{id}", get=get_one, put=put_one, delete=delete_one),
    ]
