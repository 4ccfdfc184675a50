"""/api/v1/rules: what to be told about; with validation and a dry run over stored scores before anyone is woken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute

from awry.core.errors import Conflict, InvalidInput, NotFound
from awry.core.rule import Rule
from awry.engine.commands import DeleteRule, PutRule
from awry.engine.settings import DEFAULT_RULE
from awry.server.api.params import resource
from awry.server.body import SMALL_BODY, read_body, read_json
from awry.server.dry_run import MAX_DAYS, dry_run
from awry.server.problems import reply
from awry.server.rule_shape import RuleBody, check_rule, read_rule, show_rule, unreadable

if TYPE_CHECKING:
    from awry.server.app import App

MAX_RULES = 1000


class DryRunBody(msgspec.Struct, forbid_unknown_fields=True):
    """A rule, and over how many days of stored scores to try it."""

    rule: RuleBody
    days: float = 7.0


def routes(app: App) -> list[BaseRoute]:
    """/api/v1/rules, one of them, validate and dry-run."""

    parts = tuple(app.judge.parts)

    def find(name: str) -> Rule:
        for rule in app.engine.snapshot.rules:
            if rule.name == name:
                return rule
        raise NotFound(f"cannot find the rule {name[:80]!r}", hint="GET /api/v1/rules lists them")

    def changeable(name: str) -> None:
        rule = next((r for r in app.engine.snapshot.rules if r.name == name), None)
        if rule is not None and rule.origin == "config":
            raise Conflict(f"cannot change the rule {name!r}: it stands in the config file", hint="change it there and restart")

    notifiers = frozenset([*(spec.name for spec in app.config.notifiers), *app.options.notifiers])

    def checked(body: RuleBody) -> Rule:
        return check_rule(body, "api", notifiers)

    async def body_of(request: Request) -> RuleBody:
        body = read_json(await read_body(request, app.config.limits, SMALL_BODY), dict[str, Any])
        try:
            return msgspec.convert(body, RuleBody)
        except msgspec.ValidationError as error:
            raise unreadable(error) from error

    async def get(_: Request) -> Response:
        return reply({"rules": [show_rule(r) for r in app.engine.snapshot.rules]})

    async def post(request: Request) -> Response:
        rule = checked(await body_of(request))
        if any(r.name == rule.name for r in app.engine.snapshot.rules):
            raise Conflict(f"cannot create the rule {rule.name!r}: it exists", hint="PUT /api/v1/rules/{name} changes it")
        if len(app.engine.snapshot.rules) >= MAX_RULES:
            raise InvalidInput(f"cannot keep more than {MAX_RULES} rules", hint="delete rules nobody needs")
        await app.engine.command(PutRule(rule))
        return reply(show_rule(rule), 201, {"Location": f"/api/v1/rules/{rule.name}"})

    async def get_one(request: Request) -> Response:
        return reply(show_rule(find(request.path_params["name"])))

    async def put_one(request: Request) -> Response:
        name, body = request.path_params["name"], await body_of(request)
        if body.name not in ("", name):
            raise InvalidInput(f"cannot rename a rule: the address says {name[:80]!r} and the body {body.name[:80]!r}")
        body.name = name
        rule = checked(body)
        changeable(name)
        known = any(r.name == name for r in app.engine.snapshot.rules)
        if not known and len(app.engine.snapshot.rules) >= MAX_RULES:
            raise InvalidInput(f"cannot keep more than {MAX_RULES} rules", hint="delete rules nobody needs")
        await app.engine.command(PutRule(rule))
        return reply(show_rule(rule), 200 if known else 201)

    async def delete_one(request: Request) -> Response:
        name = find(request.path_params["name"]).name
        changeable(name)
        if name == DEFAULT_RULE.name:
            raise Conflict("cannot delete the default rule: a restart would bring it back", hint="PUT it with enabled = false")
        await app.engine.command(DeleteRule(name))
        return Response(status_code=204)

    async def validate(request: Request) -> Response:
        body = read_json(await read_body(request, app.config.limits, SMALL_BODY), dict[str, Any])
        try:
            rule = read_rule(body, "api", notifiers)
        except InvalidInput as error:
            return reply(
                {"valid": False, "error": {"code": error.code, "message": error.message, "hint": error.hint}, "rule": None}
            )
        return reply({"valid": True, "error": None, "rule": show_rule(rule)})

    async def try_out(request: Request) -> Response:
        body = read_json(await read_body(request, app.config.limits, SMALL_BODY), DryRunBody)
        body.rule.name = body.rule.name or "dry-run"
        if not 0 < body.days <= MAX_DAYS:
            raise InvalidInput(f"cannot try a rule over {body.days:g} days", hint=f"up to {MAX_DAYS} days are possible")
        rule, now = checked(body.rule), app.clock.now_ms()
        start = max(0, now - round(body.days * 86_400_000))
        return reply(await app.read(lambda: dry_run(rule, app.archive, app.table.keys, app.engine.snapshot, parts, start, now + 1)))

    return [
        resource("/api/v1/rules", get=get, post=post),
        resource("/api/v1/rules/validate", post=validate),
        resource("/api/v1/rules/dry-run", post=try_out),
        resource("/api/v1/rules/{name}", get=get_one, put=put_one, delete=delete_one),
    ]
