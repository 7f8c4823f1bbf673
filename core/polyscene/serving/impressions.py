"""Impressions: every list that is recommended is logged before it is given out."""

from __future__ import annotations

import asyncio
import time
import uuid

from polyscene.errors import FeedbackError
from polyscene.feedback import NOBODY, Impression
from polyscene.serving.appending import Appender
from polyscene.serving.choosing import Chosen
from polyscene.serving.engine import Answer, Request
from polyscene.serving.queueing import Busy

_PATIENCE_S = 0.5


async def log_shown(
    appender: Appender, request: Request, answer: Answer, chosen: Chosen
) -> tuple[Impression | None, str]:
    """Log a list as it is shown, and wait until that is on disk, but not for long.

    An answer is worth more than its impression, so trouble with the log does not keep it back.

    Args:
        appender: writes events.
        request: who asked.
        answer: its items in the order shown.
        chosen: how they came about.

    Returns:
        The impression, or None where it is not logged, and what is not as it should be (empty where all is well).
    """
    try:
        impression = _impression(request, answer, chosen)
        writing = asyncio.ensure_future(appender.append([impression]))
        await asyncio.wait({writing}, timeout=_PATIENCE_S)
        if not writing.done():
            writing.add_done_callback(lambda done: done.cancelled() or done.exception())
            return impression, "the impression is not on disk yet: the feedback log is slow"
        writing.result()
    except (FeedbackError, Busy) as error:
        return None, f"the impression is not logged: {error.what}"
    return impression, ""


def _impression(request: Request, answer: Answer, chosen: Chosen) -> Impression:
    return Impression(
        event_id=f"shown-{uuid.uuid4().hex}",
        time=time.time(),
        scenario=answer.scenario,
        user=request.user or NOBODY,
        items=answer.items,
        scores=answer.scores,
        model=answer.model,
        policy=chosen.policy,
        propensities=chosen.propensities,
        experiment=chosen.side.experiment,
        arm=chosen.side.arm,
        view=request.view,
        context=chosen.context,
    )
