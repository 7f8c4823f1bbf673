"""Who asks for recommendations, and among what: a known user or a text, and items that came after training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.events import Events
from polyscene.errors import DataError
from polyscene.features.entity import EntityEncoder
from polyscene.model import PolysceneModel
from polyscene.tasks.task import PairTask
from polyscene.training.arrivals import described, read_new_items, receive, with_items, with_user
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session

NEAREST = 20


@dataclass(frozen=True)
class Asked:
    """A request as a model can serve it.

    Args:
        loaded: the scenario with what arrived in this call.
        counted: the events that popularity is counted on: those of the data alone.
        user: row of the user who asks.
        n_items: items that can be recommended, the first of the catalogue.
        by_text: whether the user is known by a text; the items of the history were not had then.
    """

    loaded: LoadedScenario
    counted: Events
    user: int
    n_items: int
    by_text: bool = False


def ask(
    session: Session,
    model: PolysceneModel,
    name: str,
    loaded: LoadedScenario,
    *,
    user: str | None,
    text: str | None = None,
    new_items: str | None = None,
) -> Asked:
    """Find who asks, and let the model receive what arrives in this call.

    A user known by a text gets a history of the items whose words are nearest to it in the backbone's space, the
    nearest last: from there on the model does what it does for everybody, so that what listeners of those items
    also like comes up, whatever it is called.

    Args:
        session: config, plugins and backbone of the run.
        model: a model of the run, in eval mode; new rows stay in it.
        name: the scenario.
        loaded: its data.
        user: the user's id, or None where a text is given.
        text: what the user likes.
        new_items: a file with items that may be recommended too.

    Raises:
        DataError: no such user, an empty text, a file that does not fit.
    """
    position = _position(loaded, name, user) if user is not None else len(loaded.tables.users)
    if new_items is not None:
        loaded = with_items(loaded, read_new_items(Path(new_items), loaded))
    n_items, counted = loaded.events.n_items, loaded.events
    if text is None:
        if new_items is not None:
            receive(session, model, name, loaded)
        return Asked(loaded, counted, position, n_items)
    task = model.main_task(name)
    if not task.reads_past or isinstance(task, PairTask):
        raise DataError(
            f"scenario '{name}' judges a user with an item and ranks by no history that a text could stand for",
            where="text",
            fix="name a user, or choose a scenario that ranks",
        )
    loaded = with_items(loaded, described(loaded, text))
    receive(session, model, name, loaded)
    counted = loaded.events
    loaded = with_user(loaded, nearest_items(model, name, n_items, NEAREST))
    receive(session, model, name, loaded)
    return Asked(loaded, counted, position, n_items, by_text=True)


def nearest_items(model: PolysceneModel, name: str, text_item: int, count: int) -> Tensor:
    """The ``count`` items before row ``text_item`` whose words are nearest to its text, the nearest last."""
    items = model.items[name]
    assert isinstance(items, EntityEncoder)
    words_Nh = items.meaning(torch.arange(text_item + 1, device=model.device))
    assert words_Nh is not None
    unit_Nh = functional.normalize(words_Nh, dim=-1)
    cosine_N = unit_Nh[:-1] @ unit_Nh[-1]
    return cosine_N.topk(min(count, text_item)).indices.flip(0).cpu()


def _position(loaded: LoadedScenario, name: str, user: str) -> int:
    ids: list[str] = loaded.tables.users["user_id"].tolist()
    if user not in ids:
        examples = ", ".join(ids[:3])
        raise DataError(
            f"there is no user '{user}'",
            where=f"scenario '{name}'",
            fix=f"its {len(ids):,} ids look like {examples}",
        )
    return ids.index(user)
