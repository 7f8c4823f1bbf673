"""A part of a table: some of its rows, through the encoder of the whole."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from polyscene.features.entity import EntityEncoder


class PartEncoder(nn.Module):
    """Encodes the rows of a domain with the encoder that all domains of a scenario share.

    Args:
        encoder: bound to the rows of the whole table.
        row_N: int64, the place of each of the domain's rows in it.
    """

    row_N: Tensor

    def __init__(self, encoder: EntityEncoder, row_N: Tensor) -> None:
        super().__init__()
        self.encoder = encoder
        self.register_buffer("row_N", row_N, persistent=False)

    @property
    def is_costly(self) -> bool:
        """Whether a step must not ask for all rows (see :class:`polyscene.Encoder`)."""
        return self.encoder.is_costly

    def forward(self, row: Tensor, hidden: Tensor | None = None) -> Tensor:
        """Vectors ``[..., d_model]`` of the domain's rows (int64 ``[...]``), see :class:`EntityEncoder`."""
        return self.encoder(self.row_N[row], hidden)

    def draw_hidden(self, rows: int, device: torch.device) -> Tensor | None:
        """As :meth:`EntityEncoder.draw_hidden`, for rows of the domain."""
        return self.encoder.draw_hidden(rows, device)

    @property
    def has_stand_in(self) -> bool:
        """Whether something stands in for ids that training never saw."""
        return self.encoder.has_stand_in

    def meaning(self, row: Tensor) -> Tensor | None:
        """As :meth:`EntityEncoder.meaning`, of the domain's rows."""
        return self.encoder.meaning(self.row_N[row])

    def as_new(self, row: Tensor) -> Tensor:
        """As :meth:`EntityEncoder.as_new`, of the domain's rows."""
        return self.encoder.as_new(self.row_N[row])

    @property
    def has_both_views(self) -> bool:
        """Whether rows have ids as well as content."""
        return self.encoder.has_both_views

    def views(self, row: Tensor) -> tuple[Tensor, Tensor]:
        """As :meth:`EntityEncoder.views`, of the domain's rows."""
        return self.encoder.views(self.row_N[row])
