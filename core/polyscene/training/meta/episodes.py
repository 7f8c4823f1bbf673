"""Episodes: rows of a scenario as tasks, each with support rows and later query rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows, take_windows, windows_of_rows
from polyscene.errors import ConfigError


@dataclass(frozen=True)
class Episodes:
    """E tasks as ``E * W`` windows of one scenario, those of a task being neighbors.

    Args:
        windows: what is read.
        support_BT: bool, the rows that a task is adapted to.
        query_BT: bool, the later rows by which it is judged.
        count: number of tasks E.
    """

    windows: Windows
    support_BT: Tensor
    query_BT: Tensor
    count: int


class EpisodeSampler(ABC):
    """Draws episodes of one scenario from its training rows, by index lookups on the device.

    Args:
        events: the scenario's events, on the device.
        support: support rows S of a task.
        query: query rows Q of a task.
        length: rows of a history that are read.
        name: the scenario, for messages.
    """

    def __init__(self, events: Events, support: int, query: int, length: int, name: str) -> None:
        self.events, self.support, self.query, self.length, self.name = events, support, query, length, name
        self.rows = support + query
        user, row = events.rows([Phase.TRAIN])
        device = events.item_R.device
        self.user_M, self.row_M = (torch.from_numpy(array).to(device) for array in (user, row))

    @abstractmethod
    def draw(self, count: int, generator: torch.Generator) -> Episodes:
        """``count`` tasks."""

    def _episodes(self, windows: Windows, last_E: Tensor, place_BT: Tensor, count: int) -> Episodes:
        """Episodes from windows, each row's place in its task (-1 for context) and the end of the support.

        A query row that happened no later than the last support row is left out.
        """
        chosen_BT = windows.valid_BT & (place_BT >= 0)
        support_BT = chosen_BT & (place_BT < self.support)
        query_BT = chosen_BT & (place_BT >= self.support)
        if self.events.ordered:
            last_B1 = last_E.repeat_interleave(len(place_BT) // count).unsqueeze(1)
            query_BT = query_BT & (windows.time_BT > last_B1)
        return Episodes(windows, support_BT, query_BT, count)

    def _too_few(self, found: str) -> ConfigError:
        return ConfigError(
            f"{found}, fewer than support + query = {self.support} + {self.query}",
            where=f"scenario '{self.name}': strategy meta",
            fix="lower strategy.support and strategy.query, or leave the scenario out",
        )


class UserEpisodes(EpisodeSampler):
    """A task is a stretch of one user's training rows: the first S are known, the next Q have to be foretold.

    Nothing before the stretch is read, as of a user who has just come. A user with fewer rows makes no task. Where
    order means nothing, the rows come in a random order that is drawn once.

    Args:
        sequence: whether rows are read as one window; otherwise each row is a window of its own.

    Raises:
        ConfigError: no user has enough rows, or a history cannot be so long.
    """

    def __init__(
        self, events: Events, support: int, query: int, length: int, name: str, *, sequence: bool, seed: int = 0
    ) -> None:
        super().__init__(events, support, query, length, name)
        self.sequence = sequence
        if sequence and self.rows > length:
            raise ConfigError(
                f"support + query = {self.rows} rows do not fit into a history of {length}",
                where=f"scenario '{name}': strategy meta",
                fix=f"lower strategy.support and strategy.query, or set scenario.{name}.max_history={self.rows}",
            )
        count_U = torch.bincount(self.user_M, minlength=events.n_users)
        self.first_U = count_U.cumsum(0) - count_U
        self.eligible_V = (count_U >= self.rows).nonzero().flatten()
        self.spare_V = (count_U - self.rows)[self.eligible_V]
        if not len(self.eligible_V):
            raise self._too_few(f"no user has more than {int(count_U.max()) if len(count_U) else 0} labelled rows")
        if not events.ordered:
            key_M = torch.rand(len(self.row_M), generator=torch.Generator().manual_seed(seed)).to(
                self.row_M.device
            )
            order = key_M.argsort()
            self.row_M = self.row_M[order[self.user_M[order].argsort(stable=True)]]

    def draw(self, count: int, generator: torch.Generator) -> Episodes:
        device = self.row_M.device
        which_E = torch.randint(len(self.eligible_V), (count,), generator=generator, device=device)
        user_E, spare_E = self.eligible_V[which_E], self.spare_V[which_E]
        offset_E = (torch.rand(count, generator=generator, device=device) * (spare_E + 1)).long().minimum(spare_E)
        place_R = torch.arange(self.rows, device=device)
        row_ER = self.row_M[(self.first_U[user_E] + offset_E).unsqueeze(1) + place_R]
        last_E = self.events.time_R[row_ER[:, self.support - 1]]
        if self.sequence:
            windows = windows_of_rows(self.events, user_E, row_ER, torch.ones_like(row_ER, dtype=torch.bool))
            return self._episodes(windows, last_E, place_R.expand(count, -1), count)
        row_B1 = row_ER.reshape(-1, 1)
        user_B = user_E.repeat_interleave(self.rows)
        windows = windows_of_rows(self.events, user_B, row_B1, torch.ones_like(row_B1, dtype=torch.bool))
        return self._episodes(windows, last_E, place_R.repeat(count).unsqueeze(1), count)


class ScenarioEpisodes(EpisodeSampler):
    """A task is S + Q of the scenario's training rows, of any users, the first S in time being known.

    Each row is the last of a window, in which what its user did before is context. The S + Q rows are distinct.

    Raises:
        ConfigError: the scenario has fewer rows.
    """

    def __init__(self, events: Events, support: int, query: int, length: int, name: str) -> None:
        super().__init__(events, support, query, length, name)
        if len(self.row_M) < self.rows:
            raise self._too_few(f"it has {len(self.row_M)} labelled rows")
        order = events.time_R[self.row_M].argsort(stable=True)
        self.user_M, self.row_M = self.user_M[order], self.row_M[order]
        self.begin_U = events.start_UP[:, Phase.TRAIN]

    def draw(self, count: int, generator: torch.Generator) -> Episodes:
        device = self.row_M.device
        place_R = torch.arange(self.rows, device=device)
        # Sorted places of a shorter list, moved apart: distinct, and in the order of time.
        free = len(self.row_M) - self.rows + 1
        drawn_ER = torch.randint(free, (count, self.rows), generator=generator, device=device).sort(dim=1).values
        at_ER = drawn_ER + place_R
        if not self.events.ordered:
            shuffle_ER = torch.rand(at_ER.shape, generator=generator, device=device).argsort(dim=1)
            at_ER = at_ER.gather(1, shuffle_ER)
        row_ER = self.row_M[at_ER]
        last_E = self.events.time_R[row_ER[:, self.support - 1]]
        row_B, user_B = row_ER.flatten(), self.user_M[at_ER.flatten()]
        start_B = torch.maximum(self.begin_U[user_B], row_B - self.length + 1)
        windows = take_windows(self.events, user_B, start_B, row_B + 1, self.length)
        own_BT = windows.row_BT.eq(row_B.unsqueeze(1)) & windows.valid_BT
        place_BT = torch.where(own_BT, place_R.repeat(count).unsqueeze(1), -1)
        return self._episodes(windows, last_E, place_BT, count)
