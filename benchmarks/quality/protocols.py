"""The protocols of the published controls: which rows are learned from, seen, masked, asked for and ranked.

Conventions that reproduce the published numbers (found by trying the alternatives):

- At the test, statistics come from training *and* validation rows, and so does the history; options are chosen
  with statistics and history of training rows only.
- Histories are masked (but for "everything" in B), and a masked item is no target.
- Repeated targets count once. NDCG is binary, its ideal list has min(10, targets) hits; recall is hits / targets.
- A: MovieLens-1M, the last rating of each user is the test, the last but one the validation, equal times in the
  order of the file. All 3,706 films are ranked.
- B: one row per household, item and basket. New: only items sold in weeks 1 to 45 are ranked and asked for (962
  households); popularity counts households. Everything: nothing is masked, all 21,418 items are ranked (968
  households); popularity counts baskets.
- C warm: artists marked cold are treated like all others; all 17,632 artists are ranked (1,883 listeners).
- C cold: rows of cold artists are in no statistics and no history. All of them are targets, ranked among the 461
  cold artists or among all, for the 1,812 listeners who have a history left.
- D: ties of both directions; friends in the training edges and the person herself are masked (1,255 people).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from polyscene.backbone.pretrained import Backbone
from polyscene.config.choice import chosen
from polyscene.config.compose import compose
from polyscene.config.resolve import resolve_train
from polyscene.data.access import DataAccess
from polyscene.data.build import build_events
from polyscene.data.events import Events
from polyscene.data.phases import Phase
from polyscene.data.splits import Given, GivenConfig
from polyscene.data.splits.base import Splitter
from polyscene.data.tables import Tables
from polyscene.evaluation.baselines import Baseline, History
from polyscene.evaluation.ranking import Ranking, rank_targets
from polyscene.registry.host import Host, load_host
from polyscene.retrieval.pairs import Pairs

KNOWN = (Phase.TRAIN, Phase.KNOWN, Phase.VALIDATION)
# The published protocols take no items out of these two.
PLAIN = ("scenario.video.split.cold_items=0", "scenario.ecommerce.split.cold_items=0")
_BATCH = 512
_REPOSITORY = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Protocol:
    """One way to ask the rows of a scenario.

    Args:
        name: the protocol in words.
        scenario: whose data it is.
        events: its rows, split.
        target: phase of the targets.
        learned: phases that statistics come from.
        seen: phases of the history.
        masked: whether the history is left out of rankings and targets.
        candidates_N: bool, the items that are ranked; all if ``None``.
        people: whether items are the users themselves, whom nobody befriends.
    """

    name: str
    scenario: str
    events: Events
    target: Phase = Phase.TEST
    learned: tuple[Phase, ...] = KNOWN
    seen: tuple[Phase, ...] = KNOWN
    masked: bool = True
    candidates_N: torch.Tensor | None = None
    people: bool = False

    def rank(self, baseline: Baseline, top: int = 10) -> Ranking:
        """Ranks of all targets by a fitted baseline."""
        start_UP = self.events.start_UP
        asked_U = start_UP[:, self.target + 1] > start_UP[:, self.target]
        past_U = start_UP[:, max(self.seen) + 1] > start_UP[:, 0]
        users = (asked_U & past_U).nonzero().squeeze(1)
        return Ranking.join([self._batch(baseline, user_B, top) for user_B in torch.split(users, _BATCH)])

    def _batch(self, baseline: Baseline, user_B: torch.Tensor, top: int) -> Ranking:
        history = History.of(self.events, user_B.numpy(), self.seen)
        start_BP = self.events.start_UP[user_B]
        masked = None
        if self.masked:
            masked = Pairs(torch.from_numpy(history.row_R), torch.from_numpy(history.item_R))
        if masked and self.people:
            row_B = torch.arange(len(user_B))
            masked = Pairs(torch.cat([masked.row_M, row_B]), torch.cat([masked.item_M, user_B]))
        return rank_targets(
            torch.tensor(baseline.scores(user_B.numpy(), history)),
            Pairs.of_windows(self.events.item_R, start_BP[:, self.target], start_BP[:, self.target + 1]),
            masked=masked,
            candidates_N=self.candidates_N,
            user_B=user_B,
            top=top,
        )


class RealData:
    """Tables, events and text vectors of the scenarios, through the same code as ``polyscene train``.

    Args:
        root: folder with the data sets and ``splits/``; ``$POLYSCENE_DATA`` or ``../shared/data`` if ``None``.
    """

    def __init__(self, root: Path | None = None) -> None:
        given = os.environ.get("POLYSCENE_DATA")
        self.root = root or (Path(given) if given else _REPOSITORY.parent / "shared" / "data")
        self.host: Host = load_host()
        overrides = ["scenario=[video,ecommerce,music,social]", "scenario.social.dataset=lastfm_2k", *PLAIN]
        self.config = resolve_train(compose("train", overrides, self.host), self.host)
        self.access = DataAccess(self.root, datasets=self.config.dataset, progress=True)
        self._tables: dict[str, Tables] = {}

    def tables(self, scenario: str) -> Tables:
        """The scenario's tables, loaded once."""
        if scenario not in self._tables:
            declared = self.host.scenario(scenario)
            self._tables[scenario] = declared.load(self.config.scenario[scenario], self.access)
        return self._tables[scenario]

    def events(self, scenario: str, split: Splitter | None = None) -> Events:
        """The scenario's rows under a split; the one of its config if ``None``."""
        splitter = split or chosen("split", self.config.scenario[scenario].split, self.host).build()
        tables = self.tables(scenario)
        return build_events(tables, splitter.split(tables), self.host.scenario(scenario))

    def text_vectors(self, scenario: str) -> np.ndarray:
        """Vectors ``[N, h]`` of the items' texts, computed once and kept in the cache."""
        backbone = Backbone(self.config.backbone, self.access)
        return backbone.embed(self.tables(scenario).items["text"].fillna("").astype(str).tolist()).numpy()


def movielens(data: RealData) -> Protocol:
    """A: MovieLens-1M, leave one out in time."""
    return Protocol("A leave-one-out", "video", data.events("video"))


def new_to_household(data: RealData) -> Protocol:
    """B, new: items that the household had not bought before."""
    events = data.events("ecommerce")
    in_training_N = np.bincount(events.matrix([Phase.TRAIN]).indices, minlength=events.n_items) > 0
    return Protocol("B next four weeks, new", "ecommerce", events, candidates_N=torch.from_numpy(in_training_N))


def everything(data: RealData) -> Protocol:
    """B, everything: repeat purchases as well."""
    return Protocol("B next four weeks, everything", "ecommerce", data.events("ecommerce"), masked=False)


def warm_artists(data: RealData) -> Protocol:
    """C warm: random 8:1:1 per user, the published rows."""
    return Protocol("C random per user, warm", "music", data.events("music", _music_split(data, "")))


def cold_artists(data: RealData, *, among_all: bool) -> Protocol:
    """C cold: artists that were taken out whole."""
    events = data.events("music", _music_split(data, "cold_item"))
    return Protocol(
        f"C cold artists, among {'all' if among_all else 'cold'}",
        "music",
        events,
        target=Phase.COLD,
        candidates_N=None if among_all else events.cold_N,
    )


def friends(data: RealData) -> Protocol:
    """D: hidden edges between friends, the published rows."""
    path = data.root / "splits" / "lastfm_social_split.parquet"
    split = Given(GivenConfig(path=str(path), user_column="u", item_column="v", undirected=True))
    return Protocol("D hidden friends", "social", data.events("social", split), people=True)


def _music_split(data: RealData, cold_column: str) -> Given:
    path = data.root / "splits" / "lastfm_music_split.parquet"
    return Given(GivenConfig(path=str(path), cold_column=cold_column))
