"""What a user has said: a text among the words of items, in the backbone's space."""

from __future__ import annotations

import copy

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional

from polyscene.data.columns import Text
from polyscene.errors import DataError
from polyscene.features.encoder import Encoder, FitContext
from polyscene.features.entity import EntityEncoder
from polyscene.features.part import PartEncoder
from polyscene.model import PolysceneModel
from polyscene.tasks.task import PairTask
from polyscene.training.loading import LoadedScenario
from polyscene.training.session import Session

NEAREST = 20
"""Items that stand for a text."""


def reads_texts(model: PolysceneModel, name: str, loaded: LoadedScenario) -> bool:
    """Whether a text can stand for a user of a scenario: it ranks by histories of items that have texts."""
    task = model.main_task(name)
    return task.reads_past and not isinstance(task, PairTask) and bool(_texts(loaded))


def check_text(model: PolysceneModel, name: str, loaded: LoadedScenario, text: str) -> None:
    """Refuse what cannot stand for a user.

    Raises:
        DataError: the text is empty, the scenario ranks by no history, or its items have no text to compare with.
    """
    if not text.strip():
        raise DataError(
            "the text is empty", where="text", fix='say what the user likes: text="slow jazz and piano"'
        )
    if reads_texts(model, name, loaded):
        return
    if not _texts(loaded):
        raise DataError(
            f"items of scenario '{name}' have no text that yours could be compared with",
            where="text",
            fix="name a user, or choose a scenario whose items have texts",
        )
    raise DataError(
        f"scenario '{name}' judges a user with an item and ranks by no history that a text could stand for",
        where="text",
        fix="name a user, or choose a scenario that ranks",
    )


@torch.inference_mode()
def meanings(model: PolysceneModel, name: str) -> Tensor:
    """Unit vectors ``[N, h]`` of what is said of each item; 0 where that is nothing."""
    items = model.items[name]
    assert isinstance(items, EntityEncoder | PartEncoder)
    words_Nh = items.meaning(torch.arange(model.n_items[name], device=model.device))
    assert words_Nh is not None
    return functional.normalize(words_Nh, dim=-1)


@torch.inference_mode()
def said(session: Session, model: PolysceneModel, name: str, loaded: LoadedScenario, text: str) -> Tensor:
    """The unit vector ``[h]`` of an item of which every text column says ``text``."""
    items = model.items[name]
    encoder = items.encoder if isinstance(items, PartEncoder) else items
    assert isinstance(encoder, EntityEncoder)
    context = FitContext(
        d_model=session.config.model.d_model,
        train_rows=np.zeros(1, dtype=bool),
        shared=model.shared,
        embed_texts=session.backbone.read,
        embedding_dim=session.backbone.embedding_dim,
        owner=f"{loaded.scenario.name}/items",
        seed=session.config.seed,
        tunable=session.backbone if session.config.backbone.tune != "frozen" else None,
    )
    row_1, values = torch.zeros(1, dtype=torch.int64, device=model.device), pd.Series([text.strip()], dtype=object)
    columns = {column.name for column in _texts(loaded)}
    parts = []
    for field, column in encoder.columns.items():
        one = encoder.encoders[field]
        if column.name in columns and isinstance(one, Encoder) and type(one).meaning is not Encoder.meaning:
            words_1h = _beside(one, values, context).meaning(row_1)
            parts += [] if words_1h is None else [functional.normalize(words_1h, dim=-1)]
    return functional.normalize(torch.stack(parts).sum(0), dim=-1)[0]


def nearest_items(meaning_Nh: Tensor, text_h: Tensor, count: int = NEAREST) -> Tensor:
    """The items (int64 ``[M]``) with the nearest words, the nearest last: a history that stands for the text."""
    cosine_N = meaning_Nh @ text_h
    return cosine_N.topk(min(count, len(cosine_N))).indices.flip(0).cpu()


def _beside(encoder: Encoder, values: pd.Series, context: FitContext) -> Encoder:
    """The same encoder bound to other rows, while this one keeps its own."""
    twin = copy.copy(encoder)
    # As Module._replicate_for_data_parallel: parameters are the same, what is registered anew is the twin's.
    twin._buffers = dict(encoder._buffers)
    twin._non_persistent_buffers_set = set(encoder._non_persistent_buffers_set)
    twin.bind(values, context)
    return twin


def _texts(loaded: LoadedScenario) -> list[Text]:
    return [column for column in loaded.scenario.item_columns if isinstance(column, Text)]
