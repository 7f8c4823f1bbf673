"""The options of a training run, an evaluation and a recommendation, each documented where it is declared."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from polyscene.backbone.config import BackboneConfig
from polyscene.config.choice import Choice
from polyscene.config.validate import bounded
from polyscene.data.datasets import DataSet
from polyscene.data.scenario import ScenarioConfig
from polyscene.errors import ConfigError


@dataclass
class DataConfig:
    """Where data comes from."""

    root: str | None = None
    """Folder with data sets; null reads the environment variable POLYSCENE_DATA."""
    cache: str | None = None
    """Folder for fetched data and activations; null reads POLYSCENE_CACHE, else the platform's cache folder."""
    offline: bool = False
    """Fetch nothing; use what is at hand."""


Site = Literal["users", "items", "pairs"]
"""Where adapters stand: on states, on item vectors, and on the pairs of tasks that judge a user with an item."""


@dataclass
class ModelConfig:
    """The width and regularization of everything above the backbone."""

    d_model: int = bounded(64, at_least=1)
    """Width of entity vectors and user states."""
    content_dropout: float = bounded(0.2, at_least=0, at_most=1)
    """Share of rows whose id vectors are replaced by the unknown vector in training, so that new items work."""
    count_gate: bool = False
    """Whether an id counts by how often training saw it (not at all if never), and content for the rest."""
    new_item_cost: float = bounded(0.0, at_least=0, at_most=1)
    """Share of the validation score that items which no row holds may cost: they are lifted or lowered together
    until they cost that; 0 leaves them where training put them."""
    priors: bool = True
    """Whether what scenarios count (their ``priors``) is added to what the network says."""
    lenders: int = bounded(20, at_least=0)
    """Known items, nearest by text, from which an item that no row holds borrows what priors say; 0 for none."""
    adapt: list[Site] = field(default_factory=lambda: ["users", "items", "pairs"])
    """The places that get adapters."""


@dataclass
class TrainerConfig:
    """The training loop."""

    steps: int = bounded(2000, at_least=1)
    """Optimizer steps at most; early stopping may end before."""
    pretrain_steps: int = bounded(0, at_least=0)
    """Steps before these, in which no label is used: ``auxiliary=[{name: history_contrast}]`` alone is learned."""
    batch_rows: int = bounded(1024, at_least=1)
    """Rows in a batch, over all scenarios together."""
    lr: float = bounded(1e-3, at_least=0)
    """Peak learning rate of AdamW."""
    weight_decay: float = bounded(0.01, at_least=0)
    """Decoupled weight decay of AdamW."""
    vector_decay: float | None = bounded(None, at_least=0)
    """Weight decay of vectors that are looked up (ids, categories, tags); null takes ``weight_decay``."""
    warmup: int = bounded(100, at_least=0)
    """Steps over which the learning rate rises from 0."""
    schedule: Literal["cosine", "linear", "constant"] = "cosine"
    """How the learning rate falls after the warm-up."""
    accumulate: int = bounded(1, at_least=1)
    """Batches whose gradients are summed for one optimizer step."""
    clip: float = bounded(1.0, at_least=0)
    """Largest norm of the gradient; 0 does not clip."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "bf16-true"] = "32-true"
    """Numeric precision, in the names of Lightning Fabric."""
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device kind."""
    devices: int = bounded(1, at_least=1)
    """Number of devices."""
    eval_every: int = bounded(250, at_least=1)
    """Steps between two evaluations on validation rows."""
    patience: int = bounded(4, at_least=0)
    """Evaluations without improvement after which training stops; 0 never stops early."""
    rest_after: int = bounded(0, at_least=0)
    """Evaluations without improvement after which a scenario leaves the batches to the others, until it has lost a
    fiftieth of its score; 0 lets none rest. Training ends when all rest."""
    temperature: float = bounded(0.5, at_least=0, at_most=1)
    """Scenarios are drawn in proportion to rows ** temperature: 1 by size, 0 all alike."""
    max_scenarios_per_step: int | None = bounded(16, at_least=1)
    """Scenarios in one batch at most, drawn anew for each step, so that a hundred cost what these do; null mixes
    all."""
    log_cosine: bool = False
    """Write the cosines between the scenarios' gradients at each evaluation, even where no balancer needs them."""
    threads: int | None = bounded(None, at_least=1)
    """Threads of torch; null leaves torch's own choice."""


@dataclass
class RunConfig:
    """Where results are written."""

    root: str = "runs"
    """Folder of all runs."""
    dir: str = ""
    """Folder of this run; empty makes a new one in ``root``. Naming an interrupted run resumes it."""


@dataclass
class TrainConfig:
    """One training run, fully checked: see :func:`polyscene.config.resolve.resolve_train`."""

    scenario: dict[str, ScenarioConfig]
    """Options of the scenarios that are trained, by name; each an instance of the scenario's own config class."""
    backbone: BackboneConfig
    """The pretrained backbone."""
    fusion: Choice
    """How an entity's encoder outputs become one vector."""
    sequence: Choice
    """How a history becomes the user's state."""
    adapter: Choice
    """How the shared representation is adapted to each scenario."""
    router: Choice
    """How the scenario of a row without a label is recognized."""
    strategy: Choice
    """How parameters are trained."""
    balancer: Choice
    """How the losses of the scenarios become one update."""
    logger: Choice
    """Where training curves go."""
    auxiliary: list[Choice] = field(default_factory=list)
    """Further terms in the loss of each scenario, as in ``[{name: alignment, weight: 0.1}]``."""
    metrics: list[Choice] = field(default_factory=list)
    """What is measured of rankings beside what always is, as in ``[{name: ndcg, k: 5}]``."""
    dataset: dict[str, DataSet] = field(default_factory=dict)
    """The data sets that the scenarios name."""
    data: DataConfig = field(default_factory=DataConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    trainer: TrainerConfig = field(default_factory=TrainerConfig)
    run: RunConfig = field(default_factory=RunConfig)
    controls: list[str] = field(default_factory=list)
    """What the result is compared with: models trained with one thing changed (``single``, ``id_only``,
    ``text_only``, ``shuffled_text``, ``no_graph``, ``shuffled_links``; see :mod:`polyscene.config.controls`) and
    names of baselines."""
    seed: int = 0
    """Seed of the run (initial weights, order of rows); splits have their own."""
    name: str = ""
    """A word for this run, used in reports."""
    adapted: list[str] = field(default_factory=list)
    """Scenarios that ``polyscene adapt`` added to a trained model, in this order; of no use in training."""


@dataclass
class EvaluateConfig:
    """``polyscene evaluate``: metrics of a trained run."""

    run: str
    """A run directory, or ``latest``."""
    protocol: Literal["", "warm", "cold", "cold_all", "cold_user", "cold_both"] = ""
    """Only this population (see ``metrics.json``); empty evaluates all."""
    scenario: list[str] | None = None
    """Only these scenarios; null evaluates all."""
    route: Literal["", "label", "hard", "soft"] = ""
    """Only with states adapted in this way (hard and soft need a router); empty evaluates all that there are."""
    device: str = "auto"
    """Device: ``auto``, ``cpu``, ``cuda``."""
    data: DataConfig = field(default_factory=DataConfig)
    root: str = "runs"
    """Folder that ``latest`` looks in."""


@dataclass
class RecommendConfig:
    """``polyscene recommend``: the best items for one user."""

    run: str
    """A run directory, or ``latest``."""
    scenario: str
    """The scenario to recommend from."""
    user: str | None = None
    """The user's id in the scenario's data; null for a user who is known by a text."""
    text: str | None = None
    """What a user likes, in words, instead of an id: the items nearest to it stand for a history."""
    new_items: str | None = None
    """A CSV or Parquet file with ``item_id`` and the columns of the scenario's items: items that came after
    training, which this call may recommend as well."""
    k: int = bounded(10, at_least=1)
    """Number of items."""
    route: Literal["label", "hard", "soft", "router"] = "label"
    """Which adapter the user's state goes through: the scenario's own (label) or, as if nobody had named it, that
    of the likeliest scenario (hard), a mixture by probability (soft), or either as the router's config says
    (router)."""
    explain: bool = False
    """Show what joins each item with the user's past: paths of at most two facts in the knowledge graph."""
    device: str = "auto"
    """Device: ``auto``, ``cpu``, ``cuda``."""
    data: DataConfig = field(default_factory=DataConfig)
    root: str = "runs"
    """Folder that ``latest`` looks in."""

    def __post_init__(self) -> None:
        if self.user is None and self.text is None:
            raise ConfigError("'user' is missing", fix='give user=ID, or what the user likes: text="slow jazz"')
        if self.user is not None and self.text is not None:
            raise ConfigError("both user and text are given", fix="give user=ID or text=WORDS, not both")
