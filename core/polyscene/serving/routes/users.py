"""What was kept of one user: given out, or removed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from polyscene.serving.access import Caller, needs
from polyscene.serving.routes.shared import READ, Serving
from polyscene.serving.schemas import Erased, HadItem, History, HistoryIn, UserData

router = APIRouter(prefix="/v1/users", tags=["users"], responses=READ)
Admin = Annotated[Caller, needs("admin")]
history = APIRouter(prefix="/v1", tags=["users"], responses=READ, dependencies=[needs("admin")])
User = Annotated[str, Path(min_length=1, max_length=200, description="the user's id, percent-encoded")]


@history.post("/history", operation_id="history")
async def user_history(asked: HistoryIn, service: Serving) -> History:
    """What a user had, by the data of the run and by feedback."""
    had = await service.history(asked.scenario, asked.user, asked.count)
    items = [HadItem(item=one.item, title=one.title) for one in had]
    return History(scenario=asked.scenario, user=asked.user, items=items)


@router.get("/{user}", operation_id="export_user")
async def export_user(user: User, service: Serving, caller: Admin) -> UserData:
    """All events of a user in the feedback log."""
    return UserData(user=user, events=await service.export(user))


@router.delete("/{user}", operation_id="erase_user")
async def erase_user(user: User, service: Serving, caller: Admin) -> Erased:
    """Remove all events of a user from the log for good, and from the memory of the service.

    Other workers forget within seconds. What a run was trained on stays in its data until that is changed there.
    """
    return Erased(user=user, events=await service.erase(user, by=caller.name))
