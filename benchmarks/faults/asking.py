"""Threads that ask a server until it is gone, and know what each version has to answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from benchmarks.speed.served import Service
from polyscene.errors import PolysceneError
from polyscene.serving.client import Client
from polyscene.serving.schemas import Recommended

USERS, K = tuple(f"u{n:02}" for n in range(5)), 10
Lists = Mapping[tuple[str, str], tuple[tuple[str, ...], tuple[float, ...]]]
"""Items and their scores, by scenario and user."""


class Asking:
    """Asks for the lists of users who never react, and sends feedback of others.

    Args:
        port: of the server.
        scenarios: which to ask.
        name: begins the ids of events.
        right: what each version has to answer.

    Attributes:
        lists: how many were given out.
        acknowledged: ids of events that the server said to keep.
        faults: lists that are not those of the version that they name, and refusals.
    """

    def __init__(self, port: int, scenarios: Sequence[str], name: str, right: Mapping[str, Lists]) -> None:
        self.url, self.scenarios, self.name, self.right = f"http://127.0.0.1:{port}", scenarios, name, right
        self.lists = 0
        self.acknowledged: list[str] = []
        self.faults: list[str] = []
        self._threads = [threading.Thread(target=self._ask), threading.Thread(target=self._react)]

    def serving(self) -> str:
        """The version that the server answers with."""
        with Client(self.url, timeout=60) as client:
            return client.models().serving

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        """Wait until the server is gone."""
        for thread in self._threads:
            thread.join()

    def _ask(self) -> None:
        with Client(self.url, timeout=60) as client:
            while self._went_on(lambda: self._check(*self._next(client))):
                pass

    def _next(self, client: Client) -> tuple[str, str, Recommended]:
        scenario = self.scenarios[self.lists % len(self.scenarios)]
        user = USERS[self.lists % len(USERS)]
        return scenario, user, client.recommend(scenario, user=user, k=K)

    def _check(self, scenario: str, user: str, shown: Recommended) -> None:
        self.lists += 1
        if shown.degraded:
            self.faults.append(f"degraded: {shown.degraded}")
        items, scores = _list_of(shown)
        right = self.right.get(shown.model, {}).get((scenario, user), ((), ()))
        # Of a sum in another order the last bits differ.
        if items != right[0] or not np.allclose(scores, right[1], rtol=1e-4, atol=1e-4):
            self.faults.append(f"a list of {scenario} that names version '{shown.model}' is not its list")

    def _react(self) -> None:
        def send() -> None:
            event_id = f"{self.name}-{len(self.acknowledged)}"
            click = {"kind": "click", "scenario": self.scenarios[0], "user": "zoe", "item": "i001"}
            client.feedback([{**click, "event_id": event_id}])
            self.acknowledged.append(event_id)

        with Client(self.url, timeout=60) as client:
            while self._went_on(send):
                pass

    def _went_on(self, ask: Callable[[], None]) -> bool:
        try:
            ask()
        except PolysceneError as error:
            if "does not answer" not in str(error):
                self.faults.append(str(error))
            return False
        return True


def answers_of(deployment: Path, version: str, scenarios: Sequence[str]) -> Lists:
    """The lists of a version by a server that nothing happens to."""
    with Service(None, deployment, "texts=false") as server, Client(f"http://127.0.0.1:{server.port}") as client:
        client.promote(version)
        return {
            (scenario, user): _list_of(client.recommend(scenario, user=user, k=K))
            for scenario in scenarios
            for user in USERS
        }


def _list_of(shown: Recommended) -> tuple[tuple[str, ...], tuple[float, ...]]:
    return tuple(item.item for item in shown.items), tuple(item.score for item in shown.items)
