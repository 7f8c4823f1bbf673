"""All declared columns of one table as one vector per row."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd
import torch
from torch import Tensor, nn

from polyscene.config.validate import options_from
from polyscene.data.columns import Column
from polyscene.errors import CheckpointError, ConfigError, DataError, Problems, did_you_mean
from polyscene.features.count_gate import CountGate
from polyscene.features.encoder import Encoder, FitContext, safe_key
from polyscene.features.fusion import Fusion
from polyscene.features.stand_in import StandIn
from polyscene.registry.components import Component, Registry

_FIRST_IDENTITY_WEIGHT = 0.3


class EntityEncoder(nn.Module):
    """Columns -> fields -> normalize each -> fuse: ``x [..., d_model]`` of table rows.

    Life cycle as an encoder's: construct (cheap; all mistakes in the declaration are reported at once), then
    :meth:`fit`, or :meth:`load_fitted` and ``load_state_dict``, then :meth:`bind`, then :meth:`forward`.

    In training an identity field is replaced by its unknown vector with probability ``content_dropout``, for each
    row of a call, or for the rows that the caller says (of :meth:`draw_hidden`), so that content learns to carry
    entities that have no id vector yet [DropoutNet, NeurIPS'17]. Without columns the result is zero.

    Args:
        columns: the declared columns; a column may be declared twice with different encoders.
        registry: where encoders are looked up by name.
        fusion: the fusion component and ``fusion_config`` its config.
        id_column: the column with the entity's own id, read by ``Id()`` without a name.
        count_gate: whether ids are weighted by how often training saw them, see :class:`CountGate`; those that it
            never saw and those that are hidden then add nothing at all.
        stand_in: whether rows whose ids training never saw get what a :class:`StandIn` says in place of these.
        gated: names of columns that come in through a closed gate, ``tanh(g)`` with ``g = 0``: the result is that
            of the other columns until training opens it.
        owner: ``scenario/table`` for messages.

    Raises:
        ConfigError: unknown encoders, wrong options, columns declared twice.
    """

    def __init__(
        self,
        columns: Sequence[Column],
        *,
        registry: Registry,
        fusion: Component,
        fusion_config: Any = None,
        id_column: str = "item_id",
        content_dropout: float = 0.0,
        count_gate: bool = False,
        stand_in: bool = False,
        gated: Collection[str] = (),
        owner: str = "",
    ) -> None:
        super().__init__()
        self.id_column, self.owner, self.content_dropout = id_column, owner, content_dropout
        self.count_gate, self._wants_stand_in = count_gate, stand_in
        self._fusion, self._fusion_config = fusion, fusion_config
        self.columns: dict[str, Column] = {}
        self.encoders = nn.ModuleDict()
        problems = Problems(owner or id_column)
        for column in columns:
            self._declare(column, registry, problems)
        self.gated = {field for field, column in self.columns.items() if self._source(column) in gated}
        for name in sorted(set(gated) - {self._source(column) for column in columns}):
            problems.add(f"gated column '{name}' is not declared", fix="declare it")
        problems.raise_if_any(ConfigError)

    def fit(self, frame: pd.DataFrame, context: FitContext) -> None:
        """Fit every encoder on the train rows of ``frame`` and create all parameters.

        Raises:
            DataError: declared columns are missing from the frame.
        """
        values = self._values(frame)
        for field, encoder in self._fields():
            encoder.fit(values[field], context)
        self._create(context)

    def fitted(self) -> dict[str, Any]:
        """What the encoders learned besides parameters, JSON-serialisable, by field."""
        return {field: encoder.fitted() for field, encoder in self._fields()}

    def load_fitted(self, fitted: Mapping[str, Any], context: FitContext) -> None:
        """Restore :meth:`fitted` and create parameters in the right shapes, to be filled by ``load_state_dict``.

        Raises:
            CheckpointError: the checkpoint has other columns than the scenario declares.
        """
        if set(fitted) != set(self.columns):
            raise CheckpointError(
                f"the checkpoint has the fields {sorted(fitted)}, the scenario declares {sorted(self.columns)}",
                where=self.owner,
                fix="use the plugins of the run, or train again",
            )
        for field, encoder in self._fields():
            encoder.load_fitted(fitted[field], context)
        self._create(context)

    def bind(self, frame: pd.DataFrame, context: FitContext) -> None:
        """Put the rows of ``frame`` on the device; row indices of :meth:`forward` are positions in it."""
        values = self._values(frame)
        for field, encoder in self._fields():
            encoder.bind(values[field], context)

    @property
    def is_costly(self) -> bool:
        """Whether a step must not ask for all rows (see :class:`Encoder`)."""
        return any(encoder.is_costly for _, encoder in self._fields())

    def draw_hidden(self, rows: int, device: torch.device) -> Tensor | None:
        """bool ``[rows]``: the rows whose ids a training step hides; None where it hides none."""
        if not self.training or self.content_dropout == 0:
            return None
        return torch.rand(rows, device=device) < self.content_dropout

    def forward(self, row: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Vectors ``[..., d_model]`` of rows (int64 ``[...]``).

        Args:
            row: the rows.
            hidden: bool ``[...]``, those that are taken for new ones; None draws them, in training.
        """
        if not self.columns:
            return torch.zeros(*row.shape, self.d_model, device=row.device)
        dropped = hidden
        if dropped is None and self.training and self.content_dropout > 0:
            dropped = torch.rand(row.shape, device=row.device) < self.content_dropout
        fields = self._encoded(row, dropped)
        x = self.fusion(fields)
        if self.stand_in is None or self.training:
            return x
        counts = [encoder.counts(row) for _, encoder in self._fields() if encoder.is_identity]
        new = torch.stack(counts).amax(0) == 0
        return torch.where(new.unsqueeze(-1), x + self.stand_in(self._content(fields), self.meaning(row)), x)

    @property
    def has_stand_in(self) -> bool:
        """Whether something stands in for ids that training never saw."""
        return self.stand_in is not None

    def as_new(self, row: Tensor) -> Tensor:
        """Vectors ``[..., d_model]`` of rows as if their ids were new; gradients reach the stand-in alone."""
        assert self.stand_in is not None
        with torch.no_grad():
            fields = self._encoded(row, torch.ones_like(row, dtype=torch.bool))
            x, words = self.fusion(fields), self.meaning(row)
        return x + self.stand_in(self._content(fields), words)

    def _content(self, fields: Mapping[str, Tensor]) -> list[Tensor]:
        return [fields[field] for field, encoder in self._fields() if not encoder.is_identity]

    @property
    def has_both_views(self) -> bool:
        """Whether rows have ids as well as content, so that :meth:`views` are two."""
        return len({encoder.is_identity for _, encoder in self._fields()}) > 1

    def views(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors ``[..., d_model]`` of rows by their ids alone, and by everything else as if they were new."""
        fields = self._encoded(row, torch.ones_like(row, dtype=torch.bool))
        own = {
            field: self._trusted(field, self._gated(field, self.norms[field](encoder(row))), row, None)
            if encoder.is_identity
            else torch.zeros_like(fields[field])
            for field, encoder in self._fields()
        }
        return self.fusion(own), self.fusion(fields)

    def meaning(self, row: Tensor) -> Tensor | None:
        """What is said of rows in words: the sum ``[..., h]`` of unit vectors of the backbone, one per column.

        None where no column has words. It is for comparing rows with each other, before anything was learned.
        """
        found = [encoder.meaning(row) for _, encoder in self._fields()]
        parts = [nn.functional.normalize(one, dim=-1) for one in found if one is not None]
        return torch.stack(parts).sum(0) if parts else None

    def _encoded(self, row: Tensor, dropped: Tensor | None) -> dict[str, Tensor]:
        """The normalized fields of rows, with ids unknown where ``dropped``."""
        fields = {}
        for field, encoder in self._fields():
            hidden, norm = dropped if encoder.is_identity else None, self.norms[field]
            x = encoder.mapped(row, norm) if hidden is None else norm(encoder.forward_dropped(row, hidden))
            fields[field] = self._trusted(field, self._gated(field, x), row, hidden)
        return fields

    def _trusted(self, field: str, x: Tensor, row: Tensor, hidden: Tensor | None) -> Tensor:
        """Vectors ``[..., w]`` of a field, ids as far as the number of their rows makes them trusted."""
        if field not in self.count_gates:
            return x
        encoder = self.encoders[field]
        assert isinstance(encoder, Encoder)
        trust = self.count_gates[field](encoder.counts(row))
        return x * (trust if hidden is None else trust * ~hidden).unsqueeze(-1).to(x.dtype)

    def _gated(self, field: str, x: Tensor) -> Tensor:
        return x * self.gates[field].tanh() if field in self.gated else x

    def _declare(self, column: Column, registry: Registry, problems: Problems) -> None:
        source, name = self._source(column), column.encoder_name
        field = f"{safe_key(source)}-{safe_key(name)}"
        if field in self.columns:
            problems.add(f"column '{source}' is declared twice with encoder '{name}'", fix="leave one out")
        elif name not in registry.names("encoder"):
            problems.add(
                f"column '{source}': there is no encoder called '{name}'",
                fix=did_you_mean(name, registry.names("encoder")),
            )
        else:
            component = registry.get("encoder", name)
            before = len(problems.found)
            config = options_from(component.config, column.options, problems, f"{source}.{name}")
            if len(problems.found) == before:
                self.columns[field] = column
                self.encoders[field] = component.build(config, column=column)

    def _create(self, context: FitContext) -> None:
        self.d_model = context.d_model
        dims = {field: encoder.out_dim for field, encoder in self._fields()}
        self.norms = nn.ModuleDict({field: nn.LayerNorm(dim) for field, dim in dims.items()})
        # Vectors of ids are noise at first; among other fields they start low, so that content leads.
        identities = [field for field, encoder in self._fields() if encoder.is_identity]
        for field in identities if len(identities) < len(dims) else ():
            nn.init.constant_(self.norms.get_parameter(f"{field}.weight"), _FIRST_IDENTITY_WEIGHT)
        self.gates = nn.ParameterDict({field: nn.Parameter(torch.zeros(())) for field in sorted(self.gated)})
        # Where ids are all there is, nothing could stand in for them.
        gates = identities if self.count_gate and len(identities) < len(dims) else []
        self.count_gates = nn.ModuleDict({field: CountGate() for field in gates})
        self.stand_in: StandIn | None = None
        if self._wants_stand_in and identities and len(identities) < len(dims):
            words = any(type(encoder).meaning is not Encoder.meaning for _, encoder in self._fields())
            said = sum(dim for field, dim in dims.items() if field not in identities)
            self.stand_in = StandIn(said + words * context.embedding_dim, context.d_model)
        if dims:
            self.fusion: Fusion = self._fusion.build(self._fusion_config, dims=dims, d_model=context.d_model)

    def _fields(self) -> list[tuple[str, Encoder]]:
        return [(field, encoder) for field, encoder in self.encoders.items() if isinstance(encoder, Encoder)]

    def _source(self, column: Column) -> str:
        return column.name or self.id_column

    def _values(self, frame: pd.DataFrame) -> dict[str, pd.Series]:
        problems = Problems(self.owner or self.id_column)
        for column in self.columns.values():
            source = self._source(column)
            if source not in frame.columns:
                problems.add(f"column '{source}' is missing", fix=did_you_mean(source, map(str, frame.columns)))
        problems.raise_if_any(DataError)
        return {field: pd.Series(frame[self._source(column)]) for field, column in self.columns.items()}
