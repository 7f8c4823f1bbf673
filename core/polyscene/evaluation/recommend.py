"""``polyscene recommend``: the best items for one user."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.config.schema import RecommendConfig
from polyscene.data.phases import Phase
from polyscene.data.windows import take_windows
from polyscene.errors import ConfigError, DataError, did_you_mean
from polyscene.evaluation.ranking import Pairs, ranking_keys, top_items
from polyscene.model import PolysceneModel
from polyscene.registry.host import Host
from polyscene.routing import LABEL, NO_ROUTER, Route, no_router_error
from polyscene.training.loading import LoadedScenario
from polyscene.training.restore import RestoredRun, restore
from polyscene.training.strategy import JOINT

_SEEN_SHOWN = 10


@dataclass(frozen=True)
class Recommendation:
    """Items for a user, best first, and the latest of what the user had.

    ``recognized`` is the router's probability of each scenario, where the label was left out.
    """

    items: list[str]
    scores: list[float]
    seen: list[str]
    seen_count: int
    recognized: dict[str, float] = field(default_factory=dict)


def recommend(config: RecommendConfig, host: Host) -> Recommendation:
    """Recommend items of a scenario to a user and print them.

    Args:
        config: which run, scenario and user.
        host: the plugins.

    Raises:
        PolysceneError: no such run, scenario or user.
    """
    run = restore(config.run, host, root=config.root, data=config.data, device=config.device)
    if config.route != LABEL and run.config.router.name == NO_ROUTER:
        raise no_router_error(where=f"{run.folder}, route={config.route}")
    if config.scenario not in run.loaded.scenarios:
        raise ConfigError(
            f"the run has no scenario '{config.scenario}'",
            where="scenario",
            fix=did_you_mean(config.scenario, run.loaded.scenarios),
        )
    found = recommend_from(run, config.scenario, config.user, config.k, config.route)
    _show(config, found, run.loaded.scenarios[config.scenario])
    return found


@torch.inference_mode()
def recommend_from(run: RestoredRun, name: str, user: str, k: int, route: Route = LABEL) -> Recommendation:
    """The ``k`` best items of scenario ``name`` for a user, from everything known about the user.

    Args:
        run: a finished run.
        name: the scenario whose items are recommended.
        user: the user's id.
        k: number of items.
        route: by which adapter; any but the label's needs a router that has seen the scenario.

    Raises:
        PolysceneError: no such user, the scenario recommends nothing, or the router cannot recognize it.
    """
    label = next(label for label in run.labels() if label == JOINT or name in run.scenarios_of(label))
    loaded = run.loaded.scenarios[name]
    model = run.model(label)
    task = model.main_task(name)
    if not task.from_history:
        raise ConfigError(
            f"scenario '{name}' completes facts and recommends nothing to users",
            where="scenario",
            fix="choose one of " + ", ".join(other for other in run.loaded.scenarios if other != name),
        )
    if route != LABEL:
        _check_seen(model, name)
    events = loaded.events.to(model.device)
    user_B = torch.tensor([_position(loaded, name, user)], device=model.device)
    start_B, stop_B = events.start_UP[user_B, Phase.TRAIN], events.start_UP[user_B, -1]
    first_B = torch.maximum(start_B, stop_B - loaded.config.max_history)
    windows = take_windows(events, user_B, first_B, stop_B, loaded.config.max_history)
    model.observe(name, events, Phase)
    catalogue = model.catalogue(name)
    items_N = torch.arange(events.n_items, device=model.device)
    view = loaded.scenario.views[0]
    routing = model.routing(name, windows, catalogue, route)
    h_Bd = model.user_states(name, windows, catalogue, routing)
    p_K = model.recognize(name, windows, catalogue)[0].tolist() if route != LABEL else []
    scores_BN = model.scores(name, h_Bd, catalogue.all(), items_N, view.name, routing=routing)
    past = Pairs.of_windows(events.item_R, start_B, stop_B)
    keys_BN = ranking_keys(scores_BN, masked=past if view.mask_history else None, user_B=user_B)
    best = [item for item in top_items(keys_BN, min(k, events.n_items))[0].tolist() if item >= 0]
    ids: list[str] = loaded.tables.items["item_id"].tolist()
    seen = past.item_M.flip(0).tolist()
    return Recommendation(
        [ids[item] for item in best],
        [float(scores_BN[0, item]) for item in best],
        [ids[item] for item in dict.fromkeys(seen)],
        len(set(seen)),
        dict(zip(model.names, p_K, strict=False)),
    )


def _check_seen(model: PolysceneModel, name: str) -> None:
    if model.router is None:
        raise no_router_error(where=f"scenario '{name}'")
    if not bool(model.router.seen_K[model.index[name]]):
        known = [other for other in model.names if bool(model.router.seen_K[model.index[other]])]
        raise ConfigError(
            f"the router never saw scenario '{name}'",
            where="route",
            fix=f"use route=label, or a router trained on it. It knows {', '.join(known) or 'none'}",
        )


def _position(loaded: LoadedScenario, name: str, user: str) -> int:
    ids: list[str] = loaded.tables.users["user_id"].tolist()
    if user not in ids:
        examples = ", ".join(ids[:3])
        raise DataError(
            f"there is no user '{user}'",
            where=f"scenario '{name}'",
            fix=f"its {len(ids):,} ids look like {examples}",
        )
    return ids.index(user)


def _show(config: RecommendConfig, found: Recommendation, loaded: LoadedScenario) -> None:
    items = loaded.tables.items.set_index("item_id")
    column = next((name for name in ("title", "text") if name in items), None)

    def title(item: str) -> str:
        return str(items.at[item, column]) if column else ""

    console = Console()
    table = Table(title=Text(f"{config.scenario}: for user {config.user}", style="bold"), title_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("item")
    table.add_column("title", overflow="fold")
    table.add_column("score", justify="right")
    for rank, (item, score) in enumerate(zip(found.items, found.scores, strict=True), start=1):
        table.add_row(str(rank), Text(item), Text(title(item)), f"{score:.3f}")
    console.print(table)
    if found.recognized:
        likeliest = sorted(found.recognized.items(), key=lambda pair: -pair[1])
        shares = ", ".join(f"{name} {share:.3f}" for name, share in likeliest)
        console.print(Text(f"Recognized as ({config.route} routing): {shares}"), soft_wrap=True)
    shown = [title(item) or item for item in found.seen[:_SEEN_SHOWN]]
    order = "latest first" if loaded.events.ordered else "in no order"
    if shown:
        console.print(Text(f"Had {found.seen_count} items ({order}): " + "; ".join(shown)), soft_wrap=True)
    else:
        console.print("Had nothing yet.")
