"""What is served."""

from __future__ import annotations

from fastapi import APIRouter

from polyscene.experiments.plan import NONE
from polyscene.serving.access import needs
from polyscene.serving.routes.shared import READ, Serving
from polyscene.serving.schemas import Column, ScenarioOut

router = APIRouter(prefix="/v1", tags=["scenarios"], dependencies=[needs("recommend")], responses=READ)


@router.get("/scenarios", operation_id="scenarios")
async def scenarios(service: Serving) -> list[ScenarioOut]:
    """The scenarios, what filters may name, and what new items must have."""
    return [
        ScenarioOut(
            name=one.name,
            title=one.title,
            views=list(one.views),
            columns=[
                Column(name=column.name, kind=column.kind, examples=list(column.examples))
                for column in one.columns
            ],
            item_columns=list(one.item_columns),
            items=one.items,
            users=one.users,
            live_users=one.live_users,
            by_text=one.by_text,
            explained=one.explained,
            priors=list(one.priors),
            policy=service.plan.policy(one.name, NONE).name,
        )
        for one in await service.scenarios()
    ]
