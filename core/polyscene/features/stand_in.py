"""The stand-in: what an entity's ids would add to its vector, told from its content."""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Words are unit vectors; the normalized fields beside them are about twice as long.
_WORDS = 4.0


class StandIn(nn.Module):
    """A linear map from all that is said of an entity to what is added to its vector while its ids are new.

    Training does not see it: the vectors of entities with ids are what they would be without. It learns apart, by
    :class:`polyscene.auxiliary.StandInLoss`, and starts at 0.

    Args:
        width: width F of what is said of an entity.
        d_model: width of its vector.
    """

    def __init__(self, width: int, d_model: int) -> None:
        super().__init__()
        self.map = nn.Linear(width, d_model)
        nn.init.zeros_(self.map.weight)
        nn.init.zeros_(self.map.bias)

    def forward(self, fields: list[Tensor], words: Tensor | None) -> Tensor:
        """What is added ``[..., d]``.

        Args:
            fields: the normalized fields of content, each ``[..., w]``.
            words: vectors ``[..., h]`` of the backbone, None where no column has words.
        """
        said = fields if words is None else [*fields, _WORDS * nn.functional.normalize(words, dim=-1)]
        return self.map(torch.cat([one.to(self.map.weight.dtype) for one in said], dim=-1))
