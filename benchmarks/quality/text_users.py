"""Listeners who are known by a text only: what serving by text is worth beside popularity and a real history.

    polyscene train scenario=music experiment=none run.dir=runs/text
    python -m benchmarks.quality.text_users runs/text

The text of a listener is made of what training knows: "likes " and the tags that their training artists carry
most (``tags``; given by training pairs only), or the names of five training artists (``names``). All artists are
ranked but those that the listener had in training; targets are test rows, or validation rows with
``--validation``, for choosing the number of nearest items. Methods: ``nearest`` are the items whose words are
nearest to the text, in that order; ``text`` is what `polyscene recommend text=...` does, a history of them;
``history`` is the real history of the same listeners, whose ids the model knows; ``popularity`` counts training
rows.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from benchmarks.quality.protocols import RealData
from benchmarks.results import write_results
from polyscene.config.schema import DataConfig
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows
from polyscene.evaluation.metrics import ndcg, summarize
from polyscene.evaluation.ranking import Ranking, rank_targets
from polyscene.evaluation.said import NEAREST
from polyscene.features.entity import EntityEncoder
from polyscene.model import PolysceneModel
from polyscene.retrieval.pairs import Pairs
from polyscene.training.arrivals import welcome
from polyscene.training.loading import LoadedScenario
from polyscene.training.restore import restore

COMMAND = "python -m benchmarks.quality.text_users"
NAME = "music"
TOP, TAGS, ARTISTS, BATCH = 10, 5, 5, 256


@dataclass(frozen=True)
class Listeners:
    """The listeners that are asked, and everything that ranks for them."""

    model: PolysceneModel
    loaded: LoadedScenario
    embed: Callable[[list[str]], Tensor]
    user_B: Tensor
    target: Phase

    def texts(self, kind: str) -> list[str]:
        """A text for each listener, from training rows."""
        tables, events = self.loaded.tables, self.loaded.events
        titles = tables.items["title"].astype(str).tolist()
        assigned = tables.extra["tag_assignments"].astype(str)
        tags = assigned.groupby("item_id")["tag"].agg(
            lambda own: [tag for tag, _ in Counter(own).most_common(TAGS)]
        )
        tags_N = [tags.get(item, []) for item in tables.items["item_id"]]
        said = []
        for user in self.user_B.tolist():
            start, stop = events.start_UP[user, [Phase.TRAIN, Phase.TRAIN + 1]].tolist()
            items = events.item_R[start:stop].tolist()
            if kind == "names":
                said.append("likes " + ", ".join(titles[item] for item in items[:ARTISTS]))
            else:
                count = Counter(tag for item in items for tag in tags_N[item])
                said.append("likes " + ", ".join(tag for tag, _ in count.most_common(TAGS)))
        return said

    def cosines(self, kind: str) -> Tensor:
        """``[B, N]`` between the texts and the words of all items."""
        items = self.model.items[NAME]
        assert isinstance(items, EntityEncoder)
        words_Nh = items.meaning(torch.arange(self.loaded.events.n_items))
        assert words_Nh is not None
        said_Bh = functional.normalize(self.embed(self.texts(kind)).float(), dim=-1)
        return said_Bh @ functional.normalize(words_Nh, dim=-1).T

    def by_model(
        self, user_B: Tensor, item_BT: Tensor, valid_BT: Tensor, value_BT: Tensor | None = None
    ) -> Tensor:
        """Scores ``[B, N]`` of the model after histories, each item had once where no values are given."""
        catalogue = self.model.catalogue(NAME)
        flat = torch.zeros_like(item_BT)
        value_BT = valid_BT.float() if value_BT is None else value_BT
        windows = Windows(user_B, flat, valid_BT, item_BT, value_BT, flat, {}, ordered=False)
        h_Bd = self.model.user_states(NAME, windows, catalogue)
        items_N = torch.arange(self.loaded.events.n_items)
        view, mixture = self.loaded.scenario.views[0].name, self.model.mixture(NAME)
        network_BN = self.model.scores(NAME, h_Bd, catalogue.all(), items_N, view)
        if mixture is None:
            return network_BN
        return mixture(network_BN, mixture.prior_scores(windows, len(items_N)), mixture.gates(view, windows))

    def methods(self, nearest: list[int]) -> Iterator[tuple[str, Tensor]]:
        """Scores of every method."""
        events, count = self.loaded.events, len(self.user_B)
        shares_N = torch.from_numpy(events.matrix([Phase.TRAIN]).sum(axis=0)).float().ravel()
        yield "popularity", shares_N.expand(count, -1)
        start_B, stop_B = (events.start_UP[self.user_B, phase] for phase in (Phase.TRAIN, Phase.TRAIN + 1))
        row_BT = start_B.unsqueeze(1) + torch.arange(self.loaded.config.max_history)
        valid_BT = row_BT < stop_B.unsqueeze(1)
        row_BT = row_BT * valid_BT
        item_BT, value_BT = events.item_R[row_BT].long(), events.value_R[row_BT]
        yield "history", self.by_model(self.user_B, item_BT, valid_BT, value_BT)
        stranger_B = torch.full_like(self.user_B, events.n_users - 1)
        for kind in ("tags", "names"):
            cosine_BN = self.cosines(kind)
            yield f"nearest ({kind})", cosine_BN
            for number in nearest:
                item_BT = cosine_BN.topk(number).indices.flip(1)
                scores_BN = self.by_model(stranger_B, item_BT, torch.ones_like(item_BT, dtype=torch.bool))
                yield f"text ({kind}, {number} nearest)", scores_BN

    def rank(self, scores_BN: Tensor) -> Ranking:
        """Where the targets end up."""
        start_BP, item_R = self.loaded.events.start_UP[self.user_B], self.loaded.events.item_R
        targets = Pairs.of_windows(item_R, start_BP[:, self.target], start_BP[:, self.target + 1])
        masked = Pairs.of_windows(item_R, start_BP[:, Phase.TRAIN], start_BP[:, Phase.TRAIN + 1])
        return rank_targets(scores_BN, targets, masked=masked, user_B=self.user_B, top=TOP)


def _commonest(tags: pd.Series) -> list[str]:
    return [tag for tag, _ in Counter(tags).most_common(TAGS)]


@torch.inference_mode()
def main(arguments: list[str] | None = None) -> None:
    """Measure one run, print, and write ``results/text_users.json`` where the targets are test rows."""
    parser = argparse.ArgumentParser(description="listeners known by a text")
    parser.add_argument("run", help="a run of the scenario music")
    parser.add_argument("--nearest", nargs="*", type=int, default=[NEAREST], help="items that a text stands for")
    parser.add_argument("--validation", action="store_true", help="targets are validation rows")
    given = parser.parse_args(arguments)
    data = RealData()
    run = restore(given.run, data.host, root="", data=DataConfig(root=str(data.root)), device="cpu")
    model, loaded = run.model(run.labels()[0]), run.loaded.scenarios[NAME]
    # One more listener, of whom nothing is known: everybody who is a text.
    loaded = welcome(run.session, model, {NAME: loaded}, torch.zeros(0, dtype=torch.int64))[NAME]
    model.observe(NAME, loaded.events, [Phase.TRAIN])
    target = Phase.VALIDATION if given.validation else Phase.TEST
    asked_U = loaded.events.start_UP[:, target + 1] > loaded.events.start_UP[:, target]
    asked_U &= loaded.events.start_UP[:, Phase.TRAIN + 1] > loaded.events.start_UP[:, Phase.TRAIN]
    rankings: dict[str, list[Ranking]] = {}
    for user_B in asked_U.nonzero().squeeze(1).split(BATCH):
        listeners = Listeners(model, loaded, run.session.backbone.embed, user_B, target)
        for method, scores_BN in listeners.methods(given.nearest):
            rankings.setdefault(method, []).append(listeners.rank(scores_BN))
    table, rows = Table("method", f"NDCG@{TOP}", "standard error"), []
    for method, parts in rankings.items():
        found = summarize(ndcg(Ranking.join(parts), TOP))
        table.add_row(method, f"{found.mean:.4f}", f"{found.standard_error:.4f}")
        row = {"protocol": f"{loaded.split.description}; users by text", "scenario": NAME, "method": method}
        row |= {"std": None, "seeds": [run.config.seed], "command": f"{COMMAND} {Path(given.run).name}"}
        rows.append({**row, "metric": f"ndcg@{TOP}", "mean": found.mean})
        rows.append({**row, "metric": f"ndcg@{TOP} (standard error over users)", "mean": found.standard_error})
    Console(width=120).print(table)
    if not given.validation:
        write_results("text_users", rows)


if __name__ == "__main__":
    main()
