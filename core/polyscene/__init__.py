"""Polyscene: one pretrained backbone, many recommendation scenarios.

These are the names that a plugin needs. They are imported on first use, so that ``polyscene --help`` does not
wait for torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyscene.adapters.bank import AdapterBank as AdapterBank
    from polyscene.adapters.bank import Routing as Routing
    from polyscene.adapters.bank import routed as routed
    from polyscene.adapters.bank import routed_linear as routed_linear
    from polyscene.data.access import DataAccess as DataAccess
    from polyscene.data.columns import Category as Category
    from polyscene.data.columns import Column as Column
    from polyscene.data.columns import Id as Id
    from polyscene.data.columns import Number as Number
    from polyscene.data.columns import Tags as Tags
    from polyscene.data.columns import Text as Text
    from polyscene.data.columns import Timestamp as Timestamp
    from polyscene.data.events import Events as Events
    from polyscene.data.generated import generate as generate
    from polyscene.data.phases import Phase as Phase
    from polyscene.data.scenario import PriorSpec as PriorSpec
    from polyscene.data.scenario import Scenario as Scenario
    from polyscene.data.scenario import ScenarioConfig as ScenarioConfig
    from polyscene.data.scenario import TaskSpec as TaskSpec
    from polyscene.data.scenario import View as View
    from polyscene.data.scenario import Way as Way
    from polyscene.data.sources.atomic import read_atomic as read_atomic
    from polyscene.data.sources.csv import read_csv as read_csv
    from polyscene.data.sources.parquet import read_parquet as read_parquet
    from polyscene.data.splits.base import Split as Split
    from polyscene.data.tables import Tables as Tables
    from polyscene.data.windows import Windows as Windows
    from polyscene.errors import ConfigError as ConfigError
    from polyscene.errors import DataError as DataError
    from polyscene.errors import DataNotAvailable as DataNotAvailable
    from polyscene.errors import PolysceneError as PolysceneError
    from polyscene.evaluation.metrics.metric import RankingMetric as RankingMetric
    from polyscene.evaluation.ranking import Ranking as Ranking
    from polyscene.experiments.policies.policy import Candidates as Candidates
    from polyscene.experiments.policies.policy import Policy as Policy
    from polyscene.experiments.policies.policy import PolicyConfig as PolicyConfig
    from polyscene.experiments.policies.policy import Rewards as Rewards
    from polyscene.features.encoder import Encoder as Encoder
    from polyscene.features.encoder import FitContext as FitContext
    from polyscene.features.identity import IdSpace as IdSpace
    from polyscene.features.identity import id_space as id_space
    from polyscene.graph.directions import INVERSE as INVERSE
    from polyscene.graph.directions import both_directions as both_directions
    from polyscene.graph.enrichment import Enrichment as Enrichment
    from polyscene.graph.enrichment import graph_enrichment as graph_enrichment
    from polyscene.graph.files import read_facts as read_facts
    from polyscene.graph.items import ItemGraph as ItemGraph
    from polyscene.graph.links import check_links as check_links
    from polyscene.graph.store import KnowledgeGraph as KnowledgeGraph
    from polyscene.hooks import hookimpl as hookimpl
    from polyscene.priors.counting import counted as counted
    from polyscene.priors.counting import per_item as per_item
    from polyscene.priors.prior import Prior as Prior
    from polyscene.priors.prior import PriorConfig as PriorConfig
    from polyscene.priors.prior import PriorData as PriorData
    from polyscene.registry.components import Component as Component
    from polyscene.registry.lazy import components_of as components_of
    from polyscene.registry.lazy import imported as imported
    from polyscene.tasks.link import LinkConfig as LinkConfig
    from polyscene.tasks.link import LinkTask as LinkTask
    from polyscene.tasks.losses import RankingLoss as RankingLoss
    from polyscene.tasks.losses import SoftmaxLoss as SoftmaxLoss
    from polyscene.tasks.popularity import PopularityBias as PopularityBias
    from polyscene.tasks.ranking import RankingConfig as RankingConfig
    from polyscene.tasks.ranking import RankingTask as RankingTask
    from polyscene.tasks.rating import RatingConfig as RatingConfig
    from polyscene.tasks.rating import RatingTask as RatingTask
    from polyscene.tasks.task import Catalogue as Catalogue
    from polyscene.tasks.task import Task as Task
    from polyscene.tasks.task import TaskContext as TaskContext

_HOME = {
    "adapters.bank": ("AdapterBank", "Routing", "routed", "routed_linear"),
    "data.access": ("DataAccess",),
    "data.columns": ("Category", "Column", "Id", "Number", "Tags", "Text", "Timestamp"),
    "data.events": ("Events",),
    "data.generated": ("generate",),
    "data.phases": ("Phase",),
    "data.scenario": ("PriorSpec", "Scenario", "ScenarioConfig", "TaskSpec", "View", "Way"),
    "data.sources.atomic": ("read_atomic",),
    "data.sources.csv": ("read_csv",),
    "data.sources.parquet": ("read_parquet",),
    "data.splits.base": ("Split",),
    "data.tables": ("Tables",),
    "data.windows": ("Windows",),
    "errors": ("ConfigError", "DataError", "DataNotAvailable", "PolysceneError"),
    "evaluation.metrics.metric": ("RankingMetric",),
    "evaluation.ranking": ("Ranking",),
    "experiments.policies.policy": ("Candidates", "Policy", "PolicyConfig", "Rewards"),
    "features.encoder": ("Encoder", "FitContext"),
    "features.identity": ("IdSpace", "id_space"),
    "graph.directions": ("INVERSE", "both_directions"),
    "graph.enrichment": ("Enrichment", "graph_enrichment"),
    "graph.files": ("read_facts",),
    "graph.items": ("ItemGraph",),
    "graph.links": ("check_links",),
    "graph.store": ("KnowledgeGraph",),
    "hooks": ("hookimpl",),
    "priors.counting": ("counted", "per_item"),
    "priors.prior": ("Prior", "PriorConfig", "PriorData"),
    "registry.components": ("Component",),
    "registry.lazy": ("components_of", "imported"),
    "tasks.link": ("LinkConfig", "LinkTask"),
    "tasks.losses": ("RankingLoss", "SoftmaxLoss"),
    "tasks.popularity": ("PopularityBias",),
    "tasks.ranking": ("RankingConfig", "RankingTask"),
    "tasks.rating": ("RatingConfig", "RatingTask"),
    "tasks.task": ("Catalogue", "Task", "TaskContext"),
}
_MODULE_OF = {name: f"polyscene.{module}" for module, names in _HOME.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module 'polyscene' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULE_OF]
