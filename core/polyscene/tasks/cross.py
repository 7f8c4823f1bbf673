"""Cross: user and item are read together, as one text, and judged by what the backbone makes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.config.validate import bounded
from polyscene.data.columns import Text
from polyscene.data.events import Events
from polyscene.data.tables import Tables
from polyscene.data.windows import Windows
from polyscene.dropout import Dropout
from polyscene.features.encoder import FitContext
from polyscene.features.template import parse
from polyscene.features.text import TextEncoder, TextEncoderConfig
from polyscene.tasks.cross_texts import PairTexts
from polyscene.tasks.judging import JudgingConfig, JudgingTask
from polyscene.tasks.task import Catalogue, TaskContext


@dataclass
class CrossConfig(JudgingConfig):
    """Options of the cross task, beside those of all tasks that judge pairs.

    Args:
        template: what a text says, as in ``[USER] {user.age}; liked: {liked}; disliked: {disliked} [ITEM]
            {item.title}``; see :func:`polyscene.features.template.parse`. Empty takes the columns that the
            scenario declares.
        history: newest rows of the user's past that a text tells at most.
        hidden: width of a hidden layer of the head; 0 for none.
        dropout: share of a text's features, and of hidden units, that are left out in training.
    """

    template: str = ""
    history: int = bounded(10, at_least=0)
    hidden: int = bounded(0, at_least=0)
    dropout: float = bounded(0.1, at_least=0, at_most=1)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.template:
            parse(self.template)


class CrossTask(JudgingTask):
    """``logit = head(Adapt(LN(W f(text))))``, where f is the backbone and the text is that of user and item.

    For few labels: nothing is learned about single users and items, and all that the language model knows is
    there from the first row on [as prompts of TALLRec, RecSys'23, with an encoder in place of the decoder]. The
    text of a row tells what the user liked and disliked *before* it. With ``backbone.tune=frozen`` each distinct
    text goes through the backbone once ever, and a head is learned on the vectors; with ``suffix`` or ``full``
    the last layers, or the scenario's own adapter in them (``backbone.peft``), learn over stored states.

    The vector of the text is the state of the pair, so the scenario's adapter of users stands on it; vectors of
    users and items are not read.
    """

    from_history: ClassVar[bool] = False
    shareable: ClassVar[bool] = False
    alone: ClassVar[bool] = True
    reads_past = False
    config: CrossConfig

    def __init__(self, config: CrossConfig, context: TaskContext) -> None:
        super().__init__(config, context)
        assert context.backbone is not None
        assert context.scenario is not None
        assert context.shared is not None
        d_model, backbone = context.d_model, context.backbone
        self.context = context
        self.known = FitContext(
            d_model=d_model,
            train_rows=np.zeros(0, dtype=bool),
            shared=context.shared,
            embed_texts=backbone.embed,
            embedding_dim=backbone.embedding_dim,
            owner=f"{context.scenario.name}/pairs",
            tunable=backbone if backbone.config.tune != "frozen" else None,
        )
        known, texts = self.known, pd.Series(self._made(config, context).of_rows(), dtype=object)
        self.encoder = TextEncoder(TextEncoderConfig(own_projection=True), Text("pair"))
        if context.restored:
            self.encoder.load_fitted({"embedding_dim": backbone.embedding_dim}, known)
        else:
            self.encoder.fit(texts, known)
        self.encoder.bind(texts, known)
        self.norm = nn.LayerNorm(d_model)
        layers: list[nn.Module] = [Dropout(config.dropout)]
        if config.hidden:
            layers += [nn.Linear(d_model, config.hidden), nn.GELU(), Dropout(config.dropout)]
        last = nn.Linear(config.hidden or d_model, 1)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, self.first_bias)
        self.head = nn.Sequential(*layers, last)

    @classmethod
    def texts(cls, config: CrossConfig, context: TaskContext) -> Sequence[str]:
        return [text for text in cls._made(config, context).of_rows() if text]

    @staticmethod
    def _made(config: CrossConfig, context: TaskContext) -> PairTexts:
        return PairTexts(config.template, config.threshold, config.history, context)

    def meet(self, user: int, tables: Tables, events: Events) -> Windows:
        """Windows ``[N, 1]`` of a user, after all that is known of the user, with each item of the tables.

        Their texts take the place of those of event rows: what is recommended next is asked anew.
        """
        made = self._made(self.config, replace(self.context, tables=tables, events=events))
        item_N, user_N = np.arange(len(tables.items)), np.full(len(tables.items), user)
        stop_N = np.full(len(tables.items), int(events.start_UP[user, -1]))
        self.encoder.bind(pd.Series(made.of_pairs(user_N, item_N, stop_N), dtype=object), self.known)
        item_N1 = torch.from_numpy(item_N).unsqueeze(1).to(self.cutoff.device)
        return Windows(
            user_B=torch.full_like(item_N1[:, 0], user),
            row_BT=item_N1,
            valid_BT=torch.ones_like(item_N1, dtype=torch.bool),
            item_BT=item_N1,
            value_BT=torch.ones_like(item_N1, dtype=torch.float32),
            time_BT=torch.zeros_like(item_N1),
            columns={},
            ordered=events.ordered,
        )

    def query(self, windows: Windows, catalogue: Catalogue) -> Tensor:
        return self.norm(self.encoder(windows.row_BT))

    def pairs(self, h: Tensor, x: Tensor) -> Tensor | None:
        return None

    def logits(self, h: Tensor, x: Tensor, item: Tensor, pair: Tensor | None = None) -> Tensor:
        """Log odds from adapted vectors of texts; what item it was is in the text."""
        return self.head(h).squeeze(-1)

    def loss(self, h_BTd: Tensor, windows: Windows, catalogue: Catalogue) -> Tensor:
        return self.pair_loss(self.head(h_BTd).squeeze(-1), windows.value_BT)

    def scores(self, h_Bd: Tensor, x_Nd: Tensor, items_N: Tensor, view: str) -> Tensor:
        """Not of a user and items apart.

        Raises:
            NotImplementedError: states are about pairs already, see :meth:`meet`.
        """
        raise NotImplementedError("the cross task reads a user with each item: ask meet() for their states")
