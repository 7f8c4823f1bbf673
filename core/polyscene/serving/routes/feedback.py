"""What users were shown and what they did."""

from __future__ import annotations

import time
import uuid

from fastapi import APIRouter

from polyscene.errors import FeedbackError
from polyscene.feedback import Event, Impression, Reaction
from polyscene.serving.access import needs
from polyscene.serving.problems import Refusal
from polyscene.serving.routes.shared import KEYED, Serving, refusals
from polyscene.serving.schemas import Accepted, EventIn, FeedbackIn, ImpressionIn

router = APIRouter(
    prefix="/v1", tags=["feedback"], dependencies=[needs("feedback")], responses=refusals(*KEYED, 409, 422, 503)
)


@router.post("/feedback", operation_id="feedback")
async def feedback(given: FeedbackIn, service: Serving) -> Accepted:
    """Keep events. They are on disk when this is answered; an event that was sent before changes nothing."""
    now = time.time()
    try:
        events = [_event(one, now) for one in given.events]
    except FeedbackError as error:
        raise Refusal(422, "invalid", error.what, where=error.where, fix=error.fix) from None
    await service.feedback(events)
    return Accepted(event_ids=[event.event_id for event in events])


def _event(given: EventIn, now: float) -> Event:
    values = given.model_dump()
    values["event_id"] = values["event_id"] or f"made-{uuid.uuid4().hex}"
    values["time"] = now if values["time"] is None else values["time"]
    if isinstance(given, ImpressionIn):
        del values["kind"]
        return Impression(**values)
    return Reaction(**values)
