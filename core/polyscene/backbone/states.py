"""Ragged token states of many texts, memory-mapped."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


class TokenStates:
    """States of n texts, each with its own number of tokens; row i belongs to text i of the request.

    Nothing is read until :meth:`gather`, which belongs to batch assembly on the host: its cost per batch is one
    indexed copy per shard touched, with no Python per text.

    Args:
        values: ``[tokens, h]`` of each shard.
        shard_n: which shard holds a text.
        start_n: its first row there.
        length_n: its number of tokens.
        width: h.
    """

    def __init__(
        self,
        values: Sequence[Tensor],
        *,
        shard_n: np.ndarray,
        start_n: np.ndarray,
        length_n: np.ndarray,
        width: int,
    ) -> None:
        self._values = list(values)
        self._shard, self._start = shard_n.astype(np.int32), start_n.astype(np.int64)
        self.lengths = length_n.astype(np.int32)
        self.width = width

    def __len__(self) -> int:
        return len(self._start)

    def packed(self) -> tuple[Tensor, Tensor, Tensor]:
        """All states in memory, without padding: for a whole table on the device.

        Returns:
            values ``[tokens, h]`` in the precision in which they are kept, and for each text its first row and its
            number of tokens (int64 ``[n]``).
        """
        length_n = torch.from_numpy(self.lengths).long()
        start_n = length_n.cumsum(0) - length_n
        dtype = self._values[0].dtype if self._values else torch.float16
        values = torch.empty(int(length_n.sum()), self.width, dtype=dtype)
        source = torch.from_numpy(self._start) - start_n
        source = source.repeat_interleave(length_n) + torch.arange(len(values))
        shard = torch.from_numpy(self._shard).repeat_interleave(length_n)
        for number in shard.unique().tolist():
            chosen = shard == number
            values[chosen] = self._values[number][source[chosen]]
        return values, start_n, length_n

    def gather(self, rows: Tensor | np.ndarray | Sequence[int]) -> tuple[Tensor, Tensor]:
        """Padded states and mask of some texts.

        Args:
            rows: ``[B]`` text indices on the CPU, repeats allowed.

        Returns:
            states ``[B, L, h]`` float32 (zeros where padded) and mask ``[B, L]`` bool, where L is the largest
            number of tokens among the rows.
        """
        rows = np.asarray(rows, dtype=np.int64)
        length_B = self.lengths[rows]
        longest = int(length_B.max(initial=0))
        mask_BL = np.arange(longest) < length_B[:, None]
        states_BLh = torch.zeros(len(rows), longest, self.width)
        flat = states_BLh.view(-1, self.width)
        target = np.flatnonzero(mask_BL)
        source = (self._start[rows][:, None] + np.arange(longest))[mask_BL]
        shard = np.repeat(self._shard[rows], length_B)
        for number in np.unique(shard):
            chosen = shard == number
            taken = self._values[number][torch.from_numpy(source[chosen])]
            flat[torch.from_numpy(target[chosen])] = taken.float()
        return states_BLh, torch.from_numpy(mask_BL)
