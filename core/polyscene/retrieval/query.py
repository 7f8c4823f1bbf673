"""What is asked of a scenario's catalogue, and by whom."""

from __future__ import annotations

from dataclasses import dataclass, replace

from torch import Tensor

from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.data.windows import Windows, take_windows
from polyscene.retrieval.best import Wanted, candidates_of
from polyscene.retrieval.pairs import Pairs, left_out


@dataclass(frozen=True)
class Served:
    """A scenario as it is served.

    Args:
        events: its rows, on the model's device: what is known of users.
        max_history: rows of the past that the network reads.
        view: what is asked for where a request does not say.
        own_item_U: where items are people, the item that each user is: nobody is recommended to themselves.
        counted: the rows that popularity and priors count, where these are not all of ``events``.
    """

    events: Events
    max_history: int
    view: View
    own_item_U: Tensor | None = None
    counted: Events | None = None


@dataclass(frozen=True)
class Query:
    """B requests of one scenario.

    Args:
        user_B: int64 user of each.
        windows: what the network reads.
        view: the name of the view that is asked for.
        past: what priors read; None where nothing is counted.
        masked: what is left out for each request.
        candidates_N: bool ``[N]``, or ``[B, N]`` where requests differ: the items that may be found; all if None.
    """

    user_B: Tensor
    windows: Windows
    view: str
    past: Windows | None = None
    masked: Pairs | None = None
    candidates_N: Tensor | None = None

    def some(self, row_R: Tensor) -> Query:
        """Some of the requests (int64 ``[R]``, ascending and each once)."""
        return replace(
            self,
            user_B=self.user_B[row_R],
            windows=self.windows.some(row_R),
            past=None if self.past is None else self.past.some(row_R),
            masked=None if self.masked is None else self.masked.of_rows(row_R, len(self.user_B)),
            candidates_N=candidates_of(self.candidates_N, row_R),
        )

    def wanted(self, count: int) -> Wanted:
        """What is asked of an index: so many items, of those that may be found."""
        return Wanted(count, self.user_B, self.masked, self.candidates_N)


def query_of_users(served: Served, user_B: Tensor, view: View, longest: int) -> Query:
    """What known users ask for, from everything that is known of them.

    Args:
        served: their scenario.
        user_B: int64 user of each request.
        view: what is asked for.
        longest: rows of the past that priors read at most; 0 where there are none.
    """
    events = served.events
    start_B, stop_B = events.start_UP[user_B, Phase.TRAIN], events.start_UP[user_B, -1]
    own_item_B = None if served.own_item_U is None else served.own_item_U[user_B]
    if longest and len(user_B):
        longest = max(1, min(longest, int((stop_B - start_B).max())))  # wider windows would be empty at the end
    return Query(
        user_B,
        _last(events, user_B, start_B, stop_B, served.max_history),
        view.name,
        _last(events, user_B, start_B, stop_B, longest) if longest else None,
        left_out(events, start_B, stop_B, mask_history=view.mask_history, own_item_B=own_item_B),
    )


def _last(events: Events, user_B: Tensor, start_B: Tensor, stop_B: Tensor, length: int) -> Windows:
    return take_windows(events, user_B, start_B.maximum(stop_B - length), stop_B, length)
