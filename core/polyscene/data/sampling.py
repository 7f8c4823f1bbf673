"""Mixed-scenario batches: which windows of which scenarios a training step sees."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.weighting import checked_weights, marks, weighted_places
from polyscene.data.windows import Windows, take_windows, windows_of_rows

# Large odd constants (splitmix64) spread neighboring seeds and steps over the generator's state space.
_SEED_FACTOR, _STEP_FACTOR = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9
# Where rows come in a known order, those of so many steps are gathered at once: one lookup costs as much as many.
_STEPS_AHEAD = 16


def step_generator(seed: int, step: int, device: torch.device | str) -> torch.Generator:
    """A generator that depends on the run's seed and the step only: a resumed run draws the same numbers."""
    generator = torch.Generator(device=device)
    generator.manual_seed((seed * _SEED_FACTOR + step * _STEP_FACTOR) % (1 << 63))
    return generator


class Sampler(Protocol):
    """Draws windows of one scenario.

    Attributes:
        events: the scenario's events.
        length: width T of the windows.
        n_rows: training rows, by which scenarios are mixed.
    """

    events: Events
    length: int
    n_rows: int

    def draw(self, count: int, generator: torch.Generator, first: int = 0) -> Windows:
        """``count`` windows of a step; ``first`` is how many were drawn before, as far as anybody keeps count."""
        ...


class WindowSampler:
    """Draws training windows of one scenario so that every training row is equally likely to be in one.

    A user with n > T rows has n + T - 1 windows of T that hold at least one row, each row being in T of them; a
    user with fewer is taken whole, T times as likely as one such window. Where order means nothing, rows are
    shuffled within the window. Scenarios without history (triples) have T = 1.

    With weights, a row is learned from as often as its weight says: windows with heavy rows come up more often,
    and the lighter rows in them are labels in a part of the draws only, context in the others
    (:func:`polyscene.data.weighting.weighted_places`).

    Args:
        events: the scenario's events, on the device of training.
        length: window width T.
        weights_R: float weight of each event row, of which those of training rows count; None for equal weights.

    Raises:
        ConfigError: weights that nothing can be drawn by.
    """

    def __init__(self, events: Events, length: int, weights_R: Tensor | None = None) -> None:
        self.events, self.length = events, length
        self.start_U = events.start_UP[:, Phase.TRAIN]
        self.stop_U = events.start_UP[:, Phase.TRAIN + 1]
        count_U = self.stop_U - self.start_U
        places_U = torch.where(count_U > length, count_U + length - 1, length * (count_U > 0))
        self.last_place_U = places_U.cumsum(0)
        self.n_rows = int(count_U.sum())
        self.n_places = int(self.last_place_U[-1]) if len(places_U) else 0
        self.keep_R: Tensor | None = None
        if weights_R is not None and self.n_places:
            weight_R = checked_weights(weights_R, events)
            places = weighted_places(weight_R, self.start_U.cpu().numpy(), self.stop_U.cpu().numpy(), length)
            self.mark_P = marks(places.mass_P).to(events.item_R.device)
            self.keep_R = places.keep_R.to(events.item_R.device)
            self.n_marks = int(self.mark_P[-1])

    def draw(self, count: int, generator: torch.Generator, first: int = 0) -> Windows:
        """``count`` windows, by index lookups on the device; which ones does not depend on those before."""
        place_B = self._places(count, generator)
        user_B = torch.searchsorted(self.last_place_U, place_B, right=True)
        start_B, stop_B = self.start_U[user_B], self.stop_U[user_B]
        # The last place of a user begins at the last row, the first one T - 1 rows before the first.
        from_last_B = self.last_place_U[user_B] - 1 - place_B
        first_B = torch.where(stop_B - start_B > self.length, stop_B - 1 - from_last_B, start_B)
        last_B = torch.minimum(first_B + self.length, stop_B)
        windows = take_windows(self.events, user_B, torch.maximum(first_B, start_B), last_B, self.length)
        if not self.events.ordered and self.length > 1:
            windows = _shuffled(self.events, windows, generator)
        if self.keep_R is None:
            return windows
        chance_BT = torch.rand(windows.row_BT.shape, generator=generator, device=windows.row_BT.device)
        return replace(windows, labelled_BT=windows.valid_BT & (chance_BT < self.keep_R[windows.row_BT]))

    def _places(self, count: int, generator: torch.Generator) -> Tensor:
        device = self.start_U.device
        if self.keep_R is None:
            return torch.randint(self.n_places, (count,), generator=generator, device=device)
        mark_B = torch.randint(self.n_marks, (count,), generator=generator, device=device)
        return torch.searchsorted(self.mark_P, mark_B, right=True)


class RowSampler:
    """Goes through all training rows of one scenario again and again, each time in a new order.

    Every row comes once before any comes twice, which learns from labels faster than drawing at random does. With
    weights, each pass over M rows holds a row M times its share of all weights, rounded up or down at random so
    that the mean is exact (systematic sampling [Madow, 1949]).

    Args:
        events: the scenario's events, on the device of training.
        seed: of the orders.
        weights_R: float weight of each event row, of which those of training rows count; None for equal weights.

    Raises:
        ConfigError: weights that nothing can be drawn by.
    """

    length = 1

    def __init__(self, events: Events, seed: int, weights_R: Tensor | None = None) -> None:
        self.events, self.seed = events, seed
        user, row = events.rows([Phase.TRAIN])
        self.user_M, self.row_M = (torch.from_numpy(array).to(events.item_R.device) for array in (user, row))
        self.n_rows = len(row)
        self.mark_M: Tensor | None = None
        if weights_R is not None and self.n_rows:
            self.mark_M = marks(torch.from_numpy(checked_weights(weights_R, events)[row])).to(self.row_M.device)
            self.n_marks = int(self.mark_M[-1])
        self._epoch, self._order_M = -1, self.row_M
        self._gathered = 0, 0

    def draw(self, count: int, generator: torch.Generator, first: int = 0) -> Windows:
        """Windows of one row: the ``count`` that come after ``first`` in going through all rows."""
        begin, end = self._gathered
        if first < begin or first + count > end:
            self._gathered = begin, end = first, first + _STEPS_AHEAD * count
            self._windows = self._between(begin, end)
        return self._windows.some(slice(first - begin, first - begin + count))

    def _between(self, first: int, last: int) -> Windows:
        place_B = torch.cat([self._places(start, stop) for start, stop in self._stretches(first, last)])
        row_B1 = self.row_M[place_B].unsqueeze(1)
        return windows_of_rows(
            self.events, self.user_M[place_B], row_B1, torch.ones_like(row_B1, dtype=torch.bool)
        )

    def _stretches(self, first: int, last: int) -> list[tuple[int, int]]:
        """``first`` to ``last`` cut where an order ends."""
        cuts = range((first // self.n_rows + 1) * self.n_rows, last, self.n_rows)
        return list(itertools.pairwise([first, *cuts, last]))

    def _places(self, start: int, stop: int) -> Tensor:
        epoch, offset = divmod(start, self.n_rows)
        if epoch != self._epoch:
            generator = step_generator(self.seed, epoch, self.row_M.device)
            order_M = torch.randperm(self.n_rows, generator=generator, device=self.row_M.device)
            self._order_M = order_M if self.mark_M is None else self._by_weight(self.mark_M, generator)[order_M]
            self._epoch = epoch
        return self._order_M[offset : offset + stop - start]

    def _by_weight(self, mark_M: Tensor, generator: torch.Generator) -> Tensor:
        """Marks at equal distances from a random start, so that rows come up as often as their stretch is long."""
        apart = self.n_marks // self.n_rows
        begin = torch.randint(apart, (1,), generator=generator, device=mark_M.device)
        even_M = begin + apart * torch.arange(self.n_rows, device=mark_M.device)
        return torch.searchsorted(mark_M, even_M, right=True)


def _shuffled(events: Events, windows: Windows, generator: torch.Generator) -> Windows:
    key_BT = torch.rand(windows.row_BT.shape, generator=generator, device=windows.row_BT.device)
    order_BT = key_BT.masked_fill(~windows.valid_BT, 2.0).argsort(dim=1)
    return windows_of_rows(events, windows.user_B, windows.row_BT.gather(1, order_BT), windows.valid_BT)


@dataclass(frozen=True)
class Share:
    """How many rows of a step each scenario gets.

    Args:
        temperature: scenarios are drawn in proportion to rows ** temperature: 1 by size, 0 all alike.
        rows: training rows (steps of histories) per step, over all scenarios.
        max_scenarios: at most so many scenarios in one step, so that its cost does not grow with their number.
    """

    temperature: float
    rows: int
    max_scenarios: int


class MixedSampler:
    """Draws one mixed batch per step from all scenarios.

    Args:
        samplers: the scenarios' samplers by name.
        weights: the scenarios' relative shares from their configs.
        share: how rows are divided.
        seed: the run's seed.
    """

    def __init__(
        self,
        samplers: Mapping[str, Sampler],
        weights: Mapping[str, float],
        share: Share,
        seed: int,
    ) -> None:
        self.samplers, self.share, self.seed = dict(samplers), share, seed
        self.names = list(samplers)
        self.mass_K = [weights[name] * samplers[name].n_rows ** share.temperature for name in self.names]
        everybody = sum(self.mass_K)
        self._usual_K = [self._count(k, everybody) for k in range(len(self.names))]

    def draw(self, step: int, without: Collection[str] = ()) -> dict[str, Windows]:
        """The batch of a step: the same for the same seed and step; rows of scenarios left out go to others."""
        chosen = self._chosen(step, [k for k, name in enumerate(self.names) if name not in without])
        total = sum(self.mass_K[k] for k in chosen)
        batch = {}
        for k in chosen:
            sampler = self.samplers[self.names[k]]
            generator = step_generator(self.seed * 1009 + k, step, sampler.events.item_R.device)
            # Whoever is chosen in one of n steps takes the rows of n steps: a pass over all rows stays one.
            batch[self.names[k]] = sampler.draw(self._count(k, total), generator, step * self._usual_K[k])
        return batch

    def _count(self, k: int, total: float) -> int:
        """Windows of a scenario in a step of scenarios with so much mass together."""
        return max(1, round(self.share.rows * self.mass_K[k] / total / self.samplers[self.names[k]].length))

    def _chosen(self, step: int, among: list[int]) -> list[int]:
        if len(among) <= self.share.max_scenarios:
            return among
        order: Tensor = torch.randperm(len(among), generator=step_generator(self.seed, step, "cpu"))
        return sorted(among[place] for place in order[: self.share.max_scenarios].tolist())
