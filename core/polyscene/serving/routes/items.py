"""Items that arrive or change."""

from __future__ import annotations

from fastapi import APIRouter

from polyscene.serving.access import needs
from polyscene.serving.routes.shared import READ, Serving
from polyscene.serving.schemas import ItemsIn, Stored

router = APIRouter(prefix="/v1", tags=["items"], dependencies=[needs("admin")], responses=READ)


@router.post("/items", operation_id="put_items")
async def put_items(given: ItemsIn, service: Serving) -> Stored:
    """Add items, or change columns of known ones. The next request is answered with them."""
    put = await service.put_items(given.scenario, given.rows)
    return Stored(new=put.new, changed=put.changed)
