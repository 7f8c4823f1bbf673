"""Items for a user, items like one, and scores of given items."""

from __future__ import annotations

from fastapi import APIRouter

from polyscene.serving.access import needs
from polyscene.serving.engine import Answer, Scored
from polyscene.serving.problems import Refusal
from polyscene.serving.routes.shared import READ, Serving, plain, refusals, request_of
from polyscene.serving.schemas import Item, Recommended, RecommendIn, ScoredItem, ScoredItems, ScoreIn, SimilarIn
from polyscene.serving.service import NoOther, Shown

router = APIRouter(prefix="/v1", tags=["recommend"], dependencies=[needs("recommend")], responses=READ)


@router.post("/recommend", operation_id="recommend")
async def recommend(asked: RecommendIn, service: Serving) -> Recommended:
    """The best items for a user, logged as an impression before they are given out."""
    request = request_of(asked, k=asked.k, filters=plain(asked.filters), exclude=tuple(asked.exclude))
    return _recommended(await service.recommend(request))


@router.post("/beside", operation_id="beside", responses=refusals(409))
async def beside(asked: RecommendIn, service: Serving) -> Recommended:
    """What the version would recommend that the server was started with beside the promoted one; not logged."""
    request = request_of(asked, k=asked.k, filters=plain(asked.filters), exclude=tuple(asked.exclude))
    try:
        answer, chosen = await service.ask_beside(request)
    except NoOther as error:
        raise Refusal(409, "no_other", error.what, fix=error.fix) from None
    return _recommended(Shown(answer, chosen, None, []))


@router.post("/similar", operation_id="similar")
async def similar(asked: SimilarIn, service: Serving) -> ScoredItems:
    """The items nearest to an item, by the cosine of what the model makes of them."""
    found = await service.similar(
        asked.scenario, asked.item, asked.k, filters=plain(asked.filters), exclude=tuple(asked.exclude)
    )
    return _scored(found)


@router.post("/score", operation_id="score")
async def score(asked: ScoreIn, service: Serving) -> ScoredItems:
    """Scores of given items for a user: those that a full ranking gives them."""
    return _scored(await service.score(request_of(asked), asked.items))


def _recommended(shown: Shown) -> Recommended:
    answer, chosen = shown.answer, shown.chosen
    return Recommended(
        scenario=answer.scenario,
        items=[_item(answer, place) for place in range(len(answer.items))],
        model=answer.model,
        impression=shown.impression.event_id if shown.impression else None,
        policy=chosen.policy,
        user_known=answer.user_known,
        unknown_items=list(answer.unknown_items),
        recognized=dict(answer.recognized),
        experiment=chosen.side.experiment,
        arm=chosen.side.arm,
        degraded=shown.degraded,
    )


def _item(answer: Answer, place: int) -> Item:
    item = answer.items[place]
    return Item(
        item=item,
        title=answer.titles.get(item),
        score=answer.scores[place],
        shares=dict(answer.shares[place]) if answer.shares else {},
        reasons=[reason.text for reason in answer.reasons[place]] if answer.reasons else [],
    )


def _scored(found: Scored) -> ScoredItems:
    items = [
        ScoredItem(item=item, title=found.titles.get(item), score=score)
        for item, score in zip(found.items, found.scores, strict=True)
    ]
    return ScoredItems(
        scenario=found.scenario, items=items, model=found.model, unknown_items=list(found.unknown_items)
    )
