"""Who asks for recommendations, and among what: a known user or a text, and items that came after training."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from polyscene.data.events import Events
from polyscene.errors import DataError
from polyscene.evaluation.said import check_text, meanings, nearest_items, said
from polyscene.model import PolysceneModel
from polyscene.training.arrivals import read_new_items, receive, welcome, with_items
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session


@dataclass(frozen=True)
class Asked:
    """A request as a model can serve it.

    Args:
        loaded: the scenario with what arrived in this call.
        counted: the events that popularity is counted on: those of the data alone.
        user: row of the user who asks.
        by_text: whether the user is known by a text; the items of the history were not had then.
    """

    loaded: LoadedScenario
    counted: Events
    user: int
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
        receive(session, model, name, loaded)
    counted = loaded.events
    if text is None:
        return Asked(loaded, counted, position)
    nearest_M = _nearest(session, model, name, loaded, text)
    return Asked(welcome(session, model, {name: loaded}, nearest_M)[name], counted, position, by_text=True)


def _nearest(session: Session, model: PolysceneModel, name: str, loaded: LoadedScenario, text: str) -> Tensor:
    check_text(model, name, loaded, text)
    text_h = said(session, model, name, loaded, text)
    return nearest_items(meanings(model, name), text_h)


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
