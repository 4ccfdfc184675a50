"""Sends what schemathesis makes of one operation of the API; made when a test runs, as at collection it would delay every run."""

from __future__ import annotations

from functools import cache

import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import load_all_checks
from schemathesis.generation.hypothesis.builder import HypothesisTestConfig, HypothesisTestMode, create_test
from schemathesis.specs.openapi.checks import positive_data_acceptance

from awry.server.openapi import document

SETTINGS = settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


@schemathesis.serializer("application/x-protobuf", "application/x-ndjson")
def as_it_is(ctx: object, value: object) -> bytes:
    """Bodies that are no JSON are sent as generated."""
    return value if isinstance(value, bytes) else str(getattr(value, "data", value)).encode()


@cache
def schema() -> schemathesis.BaseSchema:
    """The document as schemathesis reads it."""
    load_all_checks()
    return schemathesis.openapi.from_dict(document("test"))


def send_cases(operation: str, url: str) -> int:
    """Send what the document allows and what it forbids ("GET /path"): examples, limits and anything; how many were sent."""
    method, path = operation.split(" ", 1)
    sent = 0

    def check(case: schemathesis.Case) -> None:
        nonlocal sent
        sent += 1
        case.call_and_validate(base_url=url, excluded_checks=[positive_data_acceptance])

    config = HypothesisTestConfig(project=schema().config, modes=list(HypothesisTestMode), settings=SETTINGS)
    create_test(operation=schema()[path][method], test_func=check, config=config)()
    return sent
