"""Requests made up from the OpenAPI document: never a failure of the server, never an answer it does not describe.

FUZZ=1000 pytest -n 0 tests/serving/http/test_fuzz.py      many more of them
"""

from __future__ import annotations

import os
from typing import Any

import schemathesis
import torch
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from polyscene.serving.client import Client
from tests.serving.http.server import Server

EXAMPLES = int(os.environ.get("FUZZ", "8"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


def test_made_up_requests(server: Server, client: Client) -> None:
    torch.set_flush_denormal(False)  # as trainings in this process set it, and Hypothesis refuses to run
    document = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    for found in document.get_all_operations():
        _try(found.ok())


def _try(operation: Any) -> None:
    @settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize="FUZZ" not in os.environ,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy())
    def ask(case: schemathesis.Case) -> None:
        case.call_and_validate(checks=CHECKS, timeout=60)

    ask()
