"""Rows of many segments laid out in blocks of equal size, for one batched product instead of many small ones."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Blocks:
    """Where rows lie in B blocks of L places, each block with rows of one scenario.

    A block's places after its last row repeat that row; nobody reads them.

    Args:
        length: number of places L of a block.
        scenario_B: the blocks' scenarios.
        row_R: the row in each of the R = B L places.
        place_N: the place of each row.
    """

    length: int
    scenario_B: Tensor
    row_R: Tensor
    place_N: Tensor

    @classmethod
    def of_segments(cls, segments: tuple[tuple[int, int, int], ...], device: torch.device) -> Blocks:
        """Blocks of a segment's mean size: a longer segment takes several, so at worst half of places repeat."""
        n_rows = segments[-1][2]
        length = max(1, -(-n_rows // len(segments)))
        cut = [
            (scenario, first, min(first + length, stop))
            for scenario, start, stop in segments
            for first in range(start, stop, length)
        ]
        scenario_B, first_B, stop_B = torch.tensor(cut, dtype=torch.int64, device=device).view(-1, 3).unbind(1)
        places_L = torch.arange(length, device=device)
        row_BL = torch.minimum(first_B.unsqueeze(1) + places_L, stop_B.unsqueeze(1) - 1)
        shift_B = length * torch.arange(len(cut), device=device) - first_B
        shift_N = shift_B.repeat_interleave(stop_B - first_B, output_size=n_rows)
        return cls(length, scenario_B, row_BL.flatten(), torch.arange(n_rows, device=device) + shift_N)

    def product(self, h_Nmi: Tensor, weight_Kio: Tensor) -> Tensor:
        """``h_n @ W_{k(n)}`` for vectors ``[N, m, i]``, m to a row: ``[N, m, o]``."""
        n_blocks, per_row = len(self.scenario_B), h_Nmi.shape[1]
        packed_Bri = h_Nmi.index_select(0, self.row_R).view(n_blocks, self.length * per_row, h_Nmi.shape[2])
        out_Bro = torch.bmm(packed_Bri, weight_Kio.index_select(0, self.scenario_B))
        return out_Bro.view(n_blocks * self.length, per_row, weight_Kio.shape[2]).index_select(0, self.place_N)
