"""Alignment: the content of an item should say what its id has learned."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.auxiliary.auxiliary import Auxiliary, AuxiliaryConfig, AuxiliaryContext
from polyscene.config.validate import bounded
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.errors import ConfigError
from polyscene.features.entity import EntityEncoder
from polyscene.features.part import PartEncoder

if TYPE_CHECKING:
    from polyscene.model.catalogue import ModelCatalogue
    from polyscene.model.network import PolysceneModel


@dataclass
class AlignmentConfig(AuxiliaryConfig):
    """Options of the alignment, beside those of every auxiliary loss.

    Args:
        temperature: divides the cosines; smaller values look at the hardest negatives only.
        items: how many trained items of each scenario a step aligns; each is a negative for the others.
    """

    temperature: float = 0.2
    items: int = bounded(256, at_least=2)

    def __post_init__(self) -> None:
        if self.temperature <= 0:
            raise ConfigError(
                f"temperature is {self.temperature}", where="auxiliary 'alignment'", fix="use a positive number"
            )


class Alignment(Auxiliary):
    """InfoNCE between the collaborative vector z and the content vector f of an item.

    ``-log(exp(cos(z_i, f_i) / t) / sum_j exp(cos(z_i, f_j) / t))`` over items drawn evenly from those in training
    rows: the representation-embedding term of CLCRec [Wei et al., ACM MM 2021]. Its other term, users against
    items of which a share is replaced by content, is the scenario's own loss under ``model.content_dropout``. z is
    the item's vector from its ids alone and f that from everything else, before the scenario's adapter. Scenarios
    whose items have only one of the two are not concerned.

    Args:
        config: see :class:`AlignmentConfig`.
        context: see :class:`AuxiliaryContext`.
    """

    config: AlignmentConfig

    def __init__(self, config: AlignmentConfig, context: AuxiliaryContext) -> None:
        super().__init__(config, context)
        self._number = {name: number for number, name in enumerate(context.events)}
        for name, number in self._number.items():
            rows = context.events[name].matrix([Phase.TRAIN])
            trained_M = torch.from_numpy(rows.getnnz(axis=0)).nonzero().squeeze(1)
            self.register_buffer(f"trained_{number}", trained_M, persistent=False)

    def concerns(self, model: PolysceneModel, name: str) -> bool:
        if not super().concerns(model, name) or name not in self._number:
            return False
        return _items(model, name).has_both_views and len(self._trained(name)) > 1

    def loss(
        self,
        model: PolysceneModel,
        name: str,
        windows: Windows,
        catalogue: ModelCatalogue,
        h_BTd: Tensor | None = None,
    ) -> Tensor:
        trained_M = self._trained(name)
        item_C = trained_M[torch.randint(len(trained_M), (self.config.items,), device=trained_M.device)]
        collaborative_Cd, content_Cd = _items(model, name).views(item_C)
        return info_nce(collaborative_Cd, content_Cd, item_C, self.config.temperature)

    def _trained(self, name: str) -> Tensor:
        return self.get_buffer(f"trained_{self._number[name]}")


def _items(model: PolysceneModel, name: str) -> EntityEncoder | PartEncoder:
    items = model.items[name]
    assert isinstance(items, EntityEncoder | PartEncoder)
    return items


def info_nce(anchor_Cd: Tensor, other_Cd: Tensor, item_C: Tensor, temperature: float) -> Tensor:
    """Mean cross-entropy of each anchor's own counterpart against those of the other items, by cosine.

    Args:
        anchor_Cd: one view of C items.
        other_Cd: the other view.
        item_C: which items they are: an item that was drawn twice is no negative of itself.
        temperature: divides the cosines.
    """
    cosine_CC = functional.normalize(anchor_Cd, dim=-1) @ functional.normalize(other_Cd, dim=-1).T
    again_CC = item_C.unsqueeze(1) == item_C
    again_CC = again_CC & ~torch.eye(len(item_C), dtype=torch.bool, device=item_C.device)
    logit_CC = (cosine_CC / temperature).masked_fill(again_CC, -torch.inf)
    return functional.cross_entropy(logit_CC, torch.arange(len(item_C), device=item_C.device))
