"""History contrast: two looks at one user's past should be told from those at others'."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from polyscene.auxiliary.auxiliary import Auxiliary, AuxiliaryConfig
from polyscene.auxiliary.views import REORDER, WAYS, view
from polyscene.auxiliary.windows import first_windows
from polyscene.config.validate import bounded
from polyscene.data.windows import Windows
from polyscene.errors import ConfigError, did_you_mean

if TYPE_CHECKING:
    from polyscene.model.catalogue import ModelCatalogue
    from polyscene.model.network import PolysceneModel


@dataclass
class HistoryContrastConfig(AuxiliaryConfig):
    """Options of the history contrast, beside those of every auxiliary loss.

    Args:
        ways: how a history is changed; ``reorder`` is left out where the order means nothing.
        share: how much of it stays as it was.
        temperature: divides the cosines.
        windows: at most so many histories of each scenario in a step; each is compared with all others.
    """

    ways: list[str] = field(default_factory=lambda: list(WAYS))
    share: float = bounded(0.6, at_least=0.05, at_most=0.95)
    temperature: float = bounded(0.5, at_least=0.01)
    windows: int = bounded(256, at_least=2)

    def __post_init__(self) -> None:
        for way in self.ways:
            if way not in WAYS:
                raise ConfigError(f"'ways' names '{way}'", fix=did_you_mean(way, WAYS))
        if not set(self.ways) - {REORDER}:
            raise ConfigError(f"'ways' is {self.ways}", fix="name crop or mask, which mean something everywhere")


class HistoryContrast(Auxiliary):
    """InfoNCE between two changed versions of each history, against all versions of other users' histories.

    ``-log(exp(cos(h_u', h_u'') / t) / sum over the other versions in the batch)`` on the adapted states after
    either version, both ways round [CL4SRec, Xie et al., ICDE 2022, eq. 3; cosines instead of products as in
    SimCLR, so that the temperature means the same at every width]. It needs rows, not labels, and trains encoders,
    sequence model and adapters. Histories of one row have no two versions and are passed over, as are scenarios
    whose task does not read the past.

    Args:
        config: see :class:`HistoryContrastConfig`.
        context: see :class:`polyscene.auxiliary.AuxiliaryContext`.
    """

    config: HistoryContrastConfig

    def concerns(self, model: PolysceneModel, name: str) -> bool:
        task = model.main_task(name)
        return super().concerns(model, name) and task.from_history and task.reads_past

    def loss(
        self,
        model: PolysceneModel,
        name: str,
        windows: Windows,
        catalogue: ModelCatalogue,
        h_BTd: Tensor | None = None,
    ) -> Tensor:
        ways = self.config.ways
        if not windows.ordered or windows.together:
            ways = [way for way in ways if way != REORDER]
        some = first_windows(windows, self.config.windows)
        # Nothing else is known of the users: their ids would tell the two versions apart from all others.
        states = [
            model.anonymous_states(name, view(some, ways, self.config.share), catalogue).float() for _ in range(2)
        ]
        return history_info_nce(states[0], states[1], some.user_B, some.length_B > 1, self.config.temperature)


def history_info_nce(
    one_Bd: Tensor, other_Bd: Tensor, user_B: Tensor, counts_B: Tensor, temperature: float
) -> Tensor:
    """Mean cross-entropy of finding the other version of each history; 0 where none counts.

    Args:
        one_Bd, other_Bd: states after the two versions of B histories.
        user_B: whose they are: other histories of the same user are no negatives.
        counts_B: bool, which histories take part.
        temperature: divides the cosines.
    """
    state_Md = functional.normalize(torch.cat([one_Bd, other_Bd]), dim=-1)
    user_M, counts_M = user_B.repeat(2), counts_B.repeat(2)
    own_M = torch.arange(len(user_M), device=user_M.device).roll(len(user_B))
    excluded_MM = (user_M.unsqueeze(1) == user_M) | ~counts_M
    excluded_MM = excluded_MM.scatter(1, own_M.unsqueeze(1), value=False)
    logit_MM = (state_Md @ state_Md.T / temperature).masked_fill(excluded_MM, -torch.inf)
    loss_M = functional.cross_entropy(logit_MM, own_M, reduction="none")
    return torch.where(counts_M, loss_M, 0.0).sum() / counts_M.sum().clamp(min=1)
