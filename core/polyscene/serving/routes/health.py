"""Whether the service lives, answers, and how it does."""

from __future__ import annotations

import asyncio
from typing import Literal

from fastapi import APIRouter, Response

from polyscene.serving.access import needs
from polyscene.serving.metrics import CONTENT_TYPE
from polyscene.serving.routes.shared import KEYED, OPEN, Serving, refusals
from polyscene.serving.schemas import State
from polyscene.serving.service import Service

router = APIRouter(tags=["health"])
_MEASURED_S = 5.0


@router.get("/healthz", operation_id="alive", responses=OPEN)
async def alive() -> dict[Literal["status"], Literal["ok"]]:
    """Whether the process answers at all."""
    return {"status": "ok"}


@router.get("/readyz", operation_id="ready", responses=OPEN | refusals(503))
async def ready(service: Serving) -> State:
    """Whether requests are answered with the promoted model and all that is known; if not, why."""
    problems = [*service.problems, *filter(None, [service.versions.trouble])]
    if service.live.trouble:
        problems.append(
            "the feedback log or the items that arrived cannot be read; the reason is in the server's log"
        )
    status = "degraded" if problems else "ok"
    return State(status=status, model=service.versions.serving, problems=problems)


@router.get(
    "/metrics",
    operation_id="metrics",
    dependencies=[needs(None)],
    responses=refusals(*KEYED) | {200: {"content": {"text/plain": {}}, "description": "series for Prometheus"}},
    response_class=Response,
)
async def metrics(service: Serving) -> Response:
    """All series in Prometheus' text format; any key may read them."""
    measure(service)
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)


def measure(service: Service) -> None:
    """Bring gauges up to date, without waiting for the model: how it does is asked when it is busy."""
    shelves = service.live.engine.shelves
    service.metrics.measure(len(service.batcher.queue), {name: len(one.ids) for name, one in shelves.items()})


async def keep_measuring(service: Service) -> None:
    """Bring gauges up to date for ever: of several workers only one is asked for what all have measured."""
    while True:
        await asyncio.sleep(_MEASURED_S)
        measure(service)
