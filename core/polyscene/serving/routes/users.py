"""What was kept of one user: given out, or removed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from polyscene.serving.access import Caller, needs
from polyscene.serving.routes.shared import READ, Serving
from polyscene.serving.schemas import Erased, UserData

router = APIRouter(prefix="/v1/users", tags=["users"], responses=READ)
Admin = Annotated[Caller, needs("admin")]
User = Annotated[str, Path(min_length=1, max_length=200, description="the user's id, percent-encoded")]


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
