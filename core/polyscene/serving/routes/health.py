"""Whether the service lives, answers, and how it does."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter, Response

from polyscene.serving.access import needs
from polyscene.serving.metrics import CONTENT_TYPE
from polyscene.serving.routes.shared import KEYED, OPEN, Serving, refusals
from polyscene.serving.schemas import State

router = APIRouter(tags=["health"])


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
    waiting = len(service.batcher.queue)
    service.metrics.measure(waiting, {info.name: info.items for info in await service.scenarios()})
    return Response(service.metrics.text(), media_type=CONTENT_TYPE)
