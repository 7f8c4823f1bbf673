"""Which scenario a request means that names none: the router says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch

from polyscene.errors import PolysceneError, ServingError
from polyscene.retrieval import Retriever
from polyscene.serving.engine.asked import Asked, asked
from polyscene.serving.engine.queries import query_of
from polyscene.serving.engine.requests import Request
from polyscene.serving.engine.shelf import Shelf


@torch.inference_mode()
def recognized(retriever: Retriever, shelves: Mapping[str, Shelf], request: Request) -> dict[str, float]:
    """Of each scenario that could be meant, its probability by the router, likeliest first.

    A past is read as that of each scenario in turn that knows anything of it: a catalogue belongs to a scenario
    by nature, and where domains share one, what was chosen tells them apart. A text could mean any scenario that
    reads texts.

    Raises:
        ServingError: there is no router, or nothing that it could recognize a scenario from.
    """
    model = retriever.model
    fix = f"name the scenario, one of {', '.join(shelves)}"
    if model.router is None:
        raise ServingError(
            "nothing was trained to recognize scenarios", where="scenario", fix=f"{fix}, or train with a router"
        )
    found: dict[str, float] = {}
    for name, shelf in shelves.items():
        if not bool(model.router.seen_K[model.index[name]]):
            continue
        one = _readable(shelf, request)
        if one is not None:
            query = query_of(shelf, [one])
            p_BK = model.recognize(name, query.windows, retriever.catalogues[name])
            found[name] = float(p_BK[0, model.index[name]])
    if not found:
        raise ServingError(
            "no past, and no text, from which a scenario could be recognized", where="scenario", fix=fix
        )
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def _readable(shelf: Shelf, request: Request) -> Asked | None:
    """The request as one of a scenario; None where that reads nothing of it."""
    # A view or a column may be one that the meant scenario alone has.
    bare = replace(request, view=None, filters={}, exclude=())
    try:
        one = asked(shelf, bare)
    except PolysceneError:
        return None  # no texts are read here
    return one if len(one.read) else None
