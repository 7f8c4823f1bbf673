"""The retriever: a trained model that answers many requests of several scenarios at once."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from polyscene.adapters.bank import Routing
from polyscene.data.phases import Phase
from polyscene.data.scenario import View
from polyscene.errors import ConfigError, did_you_mean
from polyscene.model import PolysceneModel
from polyscene.model.catalogue import ModelCatalogue
from polyscene.priors.mixture import LONGEST
from polyscene.retrieval.best import Best, best_of_blocks
from polyscene.retrieval.config import RetrievalConfig
from polyscene.retrieval.exact import Exact
from polyscene.retrieval.index import Index, build_index
from polyscene.retrieval.order import item_codes
from polyscene.retrieval.query import Query, Served, query_of_users
from polyscene.retrieval.scores import by_products, network_scores, reads_vectors, with_priors
from polyscene.routing import LABEL, Route, taken

# Scores of whole catalogues that are held at once, where they are not inner products alone.
_SCORES = 1 << 24


class Retriever:
    """Lists of the best items, equal to the top of a full ranking.

    Item vectors are computed once, here, and again by :meth:`serve`. Where scores are inner products alone they
    become the keys of an index, exact or approximate. Priors may lift any item, so with them, as with tasks that
    read or judge a user and an item together, all items are scored. Requests change nothing: one retriever may
    serve several threads.

    Args:
        model: in eval mode; its tasks and priors count what is known by now.
        served: the scenarios to serve, by name.
        config: how catalogues are searched.

    Raises:
        ConfigError: an approximate index is asked for, and its package is not installed.
    """

    @torch.inference_mode()
    def __init__(
        self, model: PolysceneModel, served: Mapping[str, Served], config: RetrievalConfig | None = None
    ) -> None:
        self.model, self.config = model, config or RetrievalConfig()
        self.served: dict[str, Served] = {}
        self.catalogues: dict[str, ModelCatalogue] = {}
        self.codes: dict[str, Tensor] = {}
        self.exact: dict[str, Exact] = {}
        self.indexes: dict[str, Index] = {}
        for name, one in served.items():
            model.observe(name, one.events if one.counted is None else one.counted, Phase)
            self.serve(name, one)

    @torch.inference_mode()
    def serve(self, name: str, served: Served) -> None:
        """Serve a scenario as the model knows it now; what was found of it before is forgotten."""
        model, catalogue = self.model, self.model.catalogue(name)
        self.served[name], self.catalogues[name] = served, catalogue
        self.codes[name] = item_codes(catalogue.n_items, model.device)
        if not reads_vectors(model, name):
            return
        x_Nd = catalogue.all()
        if (task := by_products(model, name)) is not None:
            exact = self.exact[name] = Exact(*task.keys(x_Nd, torch.arange(len(x_Nd), device=model.device)))
            if model.mixture(name) is None:
                self.indexes[name] = build_index(exact, self.config)

    @torch.inference_mode()
    def query(self, name: str, user_B: Tensor, view: View | None = None) -> Query:
        """What known users (int64 ``[B]``) ask of a scenario.

        Raises:
            ConfigError: the scenario is not served.
        """
        if name not in self.served:
            raise ConfigError(f"'{name}' is not served", where="scenario", fix=did_you_mean(name, self.served))
        mixture, served = self.model.mixture(name), self.served[name]
        return query_of_users(served, user_B, view or served.view, 0 if mixture is None else LONGEST)

    @torch.inference_mode()
    def find(self, queries: Mapping[str, Query], count: int, route: Route = LABEL) -> dict[str, Best]:
        """The best items for requests of any scenarios, whose states are computed in one call for all.

        Args:
            queries: the requests, by scenario.
            count: how many items each gets.
            route: by which adapters.

        Raises:
            ConfigError: a router is asked for, and there is none.
        """
        if route == LABEL:
            states = self.states(queries)
            return {name: self.best(name, query, states[name], count) for name, query in queries.items()}
        found = {}
        for name, query in queries.items():
            routing = self.model.routing(name, query.windows, self.catalogues[name], route)
            found[name] = self.best(name, query, self._states(name, query, routing), count, routing)
        return found

    @torch.inference_mode()
    def states(self, queries: Mapping[str, Query]) -> dict[str, Tensor]:
        """The adapted states ``[B, d]`` of requests of any scenarios, in one call for all."""
        return self.model.states_of({name: query.windows for name, query in queries.items()}, self.catalogues)

    @torch.inference_mode()
    def best(self, name: str, query: Query, h_Bd: Tensor, count: int, routing: Routing | None = None) -> Best:
        """The best items for requests of one scenario, of which the states are known.

        Args:
            name: the scenario.
            query: the requests.
            h_Bd: their states, see :meth:`states`.
            count: how many items each gets.
            routing: by which adapters the states were adapted, where not by their label's.
        """
        task = by_products(self.model, name)
        if task is not None and name in self.indexes:
            return self.indexes[name].search(task.queries(h_Bd, query.view), query.wanted(count))
        size = max(1, _SCORES // self.model.n_items[name])
        if len(query.user_B) <= size:
            return self._of_all(name, query, h_Bd, count, routing)
        parts = [
            self._of_all(name, query.some(row_R), h_Bd[row_R], count, routing and taken(routing, row_R))
            for row_R in torch.arange(len(query.user_B), device=h_Bd.device).split(size)
        ]
        return Best.join(parts)

    @torch.inference_mode()
    def scores(self, name: str, query: Query, h_Bd: Tensor) -> Tensor:
        """Scores ``[B, N]`` of all items, those by which :meth:`best` orders them; arguments as there."""
        task = by_products(self.model, name)
        if task is not None and name in self.indexes:
            return self.indexes[name].scores(task.queries(h_Bd, query.view))
        return self._scores(name, query, h_Bd, None)

    @torch.inference_mode()
    def shares(
        self, name: str, query: Query, best: Best, route: Route = LABEL, h_Bd: Tensor | None = None
    ) -> dict[str, Tensor]:
        """What network and priors each add to the scores of what was found, ``[B, K]`` by name.

        Empty for a scenario without priors. Arguments as those and the result of :meth:`find`; states that are
        known by their label need not be computed again.
        """
        mixture, catalogue = self.model.mixture(name), self.catalogues[name]
        if mixture is None or query.past is None:
            return {}
        routing = self.model.routing(name, query.windows, catalogue, route)
        h_Bd = self._states(name, query, routing) if h_Bd is None else h_Bd
        network_BN = self._network(name, query, h_Bd, routing)
        item_BK = best.item_BK.clamp(min=0)
        prior_PBN = mixture.prior_scores(query.past, catalogue.n_items)
        prior_PBK = prior_PBN.gather(2, item_BK.expand(len(prior_PBN), -1, -1))
        return mixture.shares(network_BN.gather(1, item_BK), prior_PBK, mixture.gates(query.view, query.past))

    def _states(self, name: str, query: Query, routing: Routing | None) -> Tensor:
        return self.model.user_states(name, query.windows, self.catalogues[name], routing)

    def _of_all(self, name: str, query: Query, h_Bd: Tensor, count: int, routing: Routing | None) -> Best:
        """The best items by the scores of all."""
        score_BN = self._scores(name, query, h_Bd, routing)
        return best_of_blocks([(0, score_BN)], query.wanted(count), self.codes[name])

    def _scores(self, name: str, query: Query, h_Bd: Tensor, routing: Routing | None) -> Tensor:
        score_BN = self._network(name, query, h_Bd, routing)
        return with_priors(self.model, name, score_BN, query.past, query.view)

    def _network(self, name: str, query: Query, h_Bd: Tensor, routing: Routing | None) -> Tensor:
        task = by_products(self.model, name)
        if task is not None:
            return self.exact[name].scores(task.queries(h_Bd, query.view))
        return network_scores(
            self.model, name, query.windows, h_Bd, self.catalogues[name], view=query.view, routing=routing
        )
