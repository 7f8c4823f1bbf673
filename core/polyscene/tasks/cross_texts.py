"""The texts that a cross-encoder reads, made once before training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from polyscene.data.columns import Column, Id, Tags, Text, Timestamp
from polyscene.errors import ConfigError
from polyscene.features.filling import Pairs, fill
from polyscene.features.template import EXAMPLE, Template, resolve
from polyscene.tasks.cross_past import judged_rows, pairs_before
from polyscene.tasks.task import TaskContext


class PairTexts:
    """Texts of pairs of a user and an item by a template.

    Args:
        template: as in the config; empty takes the columns that the scenario declares.
        threshold: a past row was liked when its value is above this.
        history: at most so many rows of the past are told.
        context: the scenario's data and the backbone.

    Raises:
        ConfigError: the template does not fit the scenario's tables, or there is nothing to read.
    """

    def __init__(self, template: str, threshold: float, history: int, context: TaskContext) -> None:
        assert context.tables is not None
        assert context.scenario is not None
        assert context.backbone is not None
        self.threshold, self.history = threshold, history
        self.events, self.tables, self.backbone = context.events, context.tables, context.backbone
        users, items = (list(map(str, frame.columns)) for frame in (self.tables.users, self.tables.items))
        if not template:
            scenario = context.scenario
            template = _declared(scenario.user_columns, scenario.item_columns, items, context.where)
        self.template: Template = resolve(template, users, items, f"{context.where}: task cross")
        declared = (*context.scenario.user_columns, *context.scenario.item_columns)
        self.separators = {column.name: column.separator for column in declared if isinstance(column, Tags)}

    def of_rows(self) -> list[str]:
        """The text of every event row ``[R]``; empty for rows that are never judged."""
        user_M, row_M, stop_M = judged_rows(self.events)
        item_M = self.events.item_R.cpu().numpy()[row_M].astype(np.int64)
        texts = np.full(len(self.events.item_R), "", dtype=object)
        texts[row_M] = self.of_pairs(user_M, item_M, stop_M)
        return texts.tolist()

    def of_pairs(self, user_M: np.ndarray, item_M: np.ndarray, stop_M: np.ndarray) -> list[str]:
        """The text of each user with an item, when the user's rows below ``stop`` have happened."""
        pairs = pairs_before(self.events, user_M, item_M, stop_M, threshold=self.threshold, most=self.history)
        return self._filled(pairs)

    def _filled(self, pairs: Pairs) -> list[str]:
        return fill(
            self.template,
            pairs,
            self.tables.users,
            self.tables.items,
            count=self.backbone.token_counts,
            max_len=self.backbone.config.max_len,
            separators=self.separators,
        )


def _declared(users: Sequence[Column], items: Sequence[Column], columns: Sequence[str], where: str) -> str:
    """A template of the columns that a scenario declares."""
    shown = [column.name for column in items if isinstance(column, Text)]
    if not shown:
        raise ConfigError(
            "the task cross reads texts only, and the scenario's items have no column of text",
            where=where,
            fix=f"say what it reads, as in template='{EXAMPLE}', with columns of items: {', '.join(columns)}",
        )
    about = [column.name for column in users if column.name and not isinstance(column, (Id, Timestamp))]
    user = "".join(f" {{user.{name}}}" for name in about)
    item = " ".join(f"{{item.{name}}}" for name in shown)
    return f"[USER]{user}; liked: {{liked}}; disliked: {{disliked}} [ITEM] {item}"
