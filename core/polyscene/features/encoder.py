"""The encoder contract: one column of one table becomes vectors."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, runtime_checkable

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.contract import with_shape
from polyscene.data.columns import Column

if TYPE_CHECKING:
    from polyscene.backbone.states import TokenStates
    from polyscene.graph.items import ItemGraph


class SharedModules(nn.Module):
    """Modules that several encoders use, such as the text projection or the vectors of an id space.

    They are registered here once, so that each parameter has one name in the checkpoint.
    """

    def __init__(self) -> None:
        super().__init__()
        self.modules_by_key = nn.ModuleDict()

    def get(self, key: str, create: Callable[[], nn.Module]) -> nn.Module:
        """The module under ``key`` (letters, digits, ``_`` and ``-``), created on first use."""
        if key not in self.modules_by_key:
            self.modules_by_key[key] = create()
        return self.modules_by_key[key]

    def keys(self) -> set[str]:
        """Keys of the modules that there are."""
        return set(self.modules_by_key)

    def branch(self, owner: str) -> SharedModules:
        """What a scenario that is added to a trained model shares with it: see :class:`Branch`."""
        return Branch(self, owner)


@runtime_checkable
class Fitted(Protocol):
    """A shared module that learns more than parameters, and from its users: it can be told without them."""

    def fitted(self) -> dict[str, Any]:
        """What was learned besides parameters, JSON-serialisable."""
        ...

    def load_fitted(self, fitted: Mapping[str, Any]) -> None:
        """Restore it, with parameters of the right shapes."""
        ...


@runtime_checkable
class Branching(Protocol):
    """A shared module that learns when a scenario joins, of which a scenario added later has a copy."""

    def branch(self) -> nn.Module:
        """A copy that learns without changing what others get."""
        ...


class Branch(SharedModules):
    """The shared modules of a trained model, as a scenario that is added to it sees them.

    It reads what is there, and gets a copy of its own of what joining would change (:class:`Branching`, such as
    the vectors of an id space), so that the others' outputs stay what they were. What is not there yet it creates.

    Args:
        root: the model's shared modules, which hold copies and new modules too.
        owner: the scenario.
    """

    def __init__(self, root: SharedModules, owner: str) -> None:
        super().__init__()
        # Not a submodule: the model has it already.
        self._root, self._suffix, self.inherited = [root], f"-of-{safe_key(owner)}", frozenset(root.keys())

    def get(self, key: str, create: Callable[[], nn.Module]) -> nn.Module:
        [root] = self._root
        module = root.get(key, create)
        if key not in self.inherited or not isinstance(module, Branching):
            return module
        return root.get(key + self._suffix, module.branch)


def safe_key(name: str) -> str:
    """``name`` with every character that a module key may not hold written as its code point; one to one."""
    return re.sub(r"[^0-9A-Za-z_]", lambda match: f"-{ord(match[0]):x}-", name)


class Tunable(Protocol):
    """A backbone whose last layers are trained with the model: what is below them is computed once per text."""

    def token_states(self, texts: Sequence[str]) -> TokenStates:
        """The states that enter the trained layers, in the order of the texts."""
        ...

    def suffix_module(self) -> nn.Module:
        """The trained layers (:class:`polyscene.backbone.Suffix`); each call makes new ones."""
        ...


@dataclass
class FitContext:
    """What an encoder may know when it is fitted and bound. Nothing here comes from rows outside training.

    Args:
        d_model: width of the model; encoders choose their own ``out_dim`` (usually ``d_model``).
        train_rows: bool per row of the encoder's table: does the entity occur in a training interaction?
        shared: modules shared between encoders.
        embed_texts: ``embed_texts(texts) -> [n, h]`` float tensor through the activation store (deduplicated,
            cached, in the order given); ``embedding_dim`` is ``h``.
        spaces: for each id space, the ids in their order (``spaces["lastfm_user"]`` is an array of str).
        train_interactions: the training interactions as a frame (``user_id``, ``item_id`` categorical, ...).
        tables: the scenario's tables, for encoders that need more than their column (graph, tags).
        owner: ``scenario/table``, for example ``music/items``: for messages, and for what a scenario has alone.
        seed: the run's seed; encoders that draw numbers at fit time use it.
        tunable: the backbone, where its last layers are trained; None where texts are frozen vectors.
        synonyms: ``synonyms(words) -> {word: words of like use}`` for lower-case words; None where there are none.
        user_of_row: for tables of events only, the user of each row (rows of a user are neighbors, oldest first).
        graph: the knowledge graph that the table's items are linked to (training facts only), if any.
        train_counts: the number of training interactions of each row, None where they were not counted.
    """

    d_model: int
    train_rows: np.ndarray
    shared: SharedModules
    embed_texts: Callable[[Sequence[str]], Tensor]
    embedding_dim: int
    spaces: Mapping[str, np.ndarray] = field(default_factory=dict)
    train_interactions: pd.DataFrame | None = None
    tables: Any = None
    owner: str = ""
    seed: int = 0
    tunable: Tunable | None = None
    synonyms: Callable[[Sequence[str]], Mapping[str, Sequence[str]]] | None = None
    user_of_row: np.ndarray | None = None
    graph: ItemGraph | None = None
    train_counts: np.ndarray | None = None

    def row_counts(self) -> np.ndarray:
        """Training interactions ``[N]`` of each row's entity; 1 for a training row where they were not counted."""
        return self.train_rows.astype(np.int64) if self.train_counts is None else self.train_counts


class Encoder(nn.Module, ABC):
    """Turns one declared column into vectors.

    Life cycle: ``__init__(config, column)`` (cheap) -> :meth:`fit` once on train rows (vocabulary, statistics,
    parameters) *or* :meth:`load_fitted` from a checkpoint and then ``load_state_dict`` -> :meth:`bind` to put the
    rows of a table on the device -> :meth:`forward` with row indices. ``bind`` may be called again with more rows
    (new items at serving): rows unknown to the vocabulary must still give a sensible vector.

    Large arrays learned by ``fit`` are persistent buffers (``load_fitted`` makes them in the right shape and the
    checkpoint fills them); small things are values of :meth:`fitted`. Rows are non-persistent buffers.

    Attributes:
        out_dim: width of the output, set by ``fit`` or ``load_fitted``.
        is_identity: True for vectors that stand for the entity itself (id embeddings): content dropout
            replaces those by the unknown vector during training, and an entity that training never saw
            must get the unknown vector.
        is_costly: True where a row's vector takes a network to compute, so that a step must not ask for all rows.
        looked_up: names of the parameters that hold a vector per id or label: few rows reach each of them, so they
            can be decayed on their own.
        shared: modules from ``context.shared`` that this encoder uses; being in a plain dict, their parameters
            keep the one name that they have there.
    """

    out_dim: int
    is_identity: bool = False
    is_costly: bool = False
    looked_up: ClassVar[tuple[str, ...]] = ()

    def __init__(self, config: Any, column: Column) -> None:
        super().__init__()
        self.config, self.column = config, column
        self.shared: dict[str, nn.Module] = {}

    def __call__(self, row: Tensor) -> Tensor:
        found = super().__call__(row)
        return with_shape(found, (*row.shape, self.out_dim), self, "an encoder gives vectors of width out_dim")

    @abstractmethod
    def fit(self, values: pd.Series, context: FitContext) -> None:
        """Learn from the rows marked in ``context.train_rows`` and create the parameters."""

    @abstractmethod
    def fitted(self) -> dict[str, Any]:
        """What ``fit`` learned besides parameters, as JSON-serialisable values."""

    @abstractmethod
    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        """Restore what :meth:`fitted` returned and create parameters of the right shapes."""

    @abstractmethod
    def bind(self, values: pd.Series, context: FitContext) -> None:
        """Register all rows of a table as non-persistent buffers (indices, numbers, cached embeddings)."""

    @abstractmethod
    def forward(self, row: Tensor) -> Tensor:
        """Vectors ``[..., out_dim]`` of table rows ``row`` (int64 ``[...]``)."""

    def register_rows(self, name: str, rows: Tensor) -> None:
        """Set the non-persistent buffer ``name``, on the device of the encoder's parameters."""
        modules = (self, *self.shared.values())
        parameter = next((parameter for module in modules for parameter in module.parameters()), None)
        self.register_buffer(name, rows if parameter is None else rows.to(parameter.device), persistent=False)

    def mapped(self, row: Tensor, function: Callable[[Tensor], Tensor]) -> Tensor:
        """What a function of each vector alone gives ``[..., o]`` for those of rows.

        An encoder with fewer vectors than rows may apply it to the former and look the results up.
        """
        return function(self(row))

    def forward_dropped(self, row: Tensor, dropped: Tensor) -> Tensor:
        """:meth:`forward`, with the unknown vector where ``dropped`` (bool ``[...]``)."""
        return torch.where(dropped.unsqueeze(-1), self.unknown(), self(row))

    def counts(self, row: Tensor) -> Tensor:
        """How often training saw the ids ``[...]`` of rows (float); asked of identities only."""
        raise NotImplementedError(f"encoder '{type(self).__name__}' has is_identity set and no counts")

    def meaning(self, row: Tensor) -> Tensor | None:
        """What this column says of rows in words: vectors ``[..., h]`` of the backbone; None if it has none."""
        return None

    def unknown(self) -> Tensor:
        """The vector ``[out_dim]`` of an entity about which this column says nothing."""
        raise NotImplementedError(f"encoder '{type(self).__name__}' has is_identity set and no unknown vector")
