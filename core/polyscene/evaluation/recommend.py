"""``polyscene recommend``: the best items for one user."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from polyscene.config.schema import RecommendConfig
from polyscene.data.phases import Phase
from polyscene.errors import ConfigError, did_you_mean
from polyscene.evaluation.asked import ask
from polyscene.evaluation.explain import Reason, explained, graph_to_explain
from polyscene.evaluation.serving import served
from polyscene.evaluation.titles import item_titles
from polyscene.model import PolysceneModel
from polyscene.registry.host import Host
from polyscene.retrieval import Retriever
from polyscene.routing import LABEL, NO_ROUTER, Route, no_router_error
from polyscene.tasks.cross import CrossTask
from polyscene.tasks.task import PairTask
from polyscene.training.loading import LoadedScenario
from polyscene.training.restore import RestoredRun, restore
from polyscene.training.strategy import JOINT

_SEEN_SHOWN = 10


@dataclass(frozen=True)
class Recommendation:
    """Items for a user, best first, and the latest of what the user had.

    ``recognized`` is the router's probability of each scenario, where the label was left out, and ``reasons`` are
    what each item has to do with the past, where that was asked for. For a user who is known by a text, ``seen``
    are the items nearest to it. ``titles`` are of all items that are named, where the scenario has any. ``shares``
    are what network and priors each add to an item's score, where the scenario has priors.
    """

    items: list[str]
    scores: list[float]
    seen: list[str]
    seen_count: int
    titles: dict[str, str] = field(default_factory=dict)
    recognized: dict[str, float] = field(default_factory=dict)
    reasons: list[list[Reason]] = field(default_factory=list)
    shares: list[dict[str, float]] = field(default_factory=list)


def recommend(config: RecommendConfig, host: Host) -> Recommendation:
    """Recommend items of a scenario to a user and print them.

    Args:
        config: which run, scenario and user.
        host: the plugins.

    Raises:
        PolysceneError: no such run, scenario or user, or no graph to explain with.
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
    loaded = run.loaded.scenarios[config.scenario]
    graph = graph_to_explain(loaded, config.scenario) if config.explain else None
    found = recommend_from(
        run,
        config.scenario,
        config.user,
        config.k,
        config.route,
        text=config.text,
        new_items=config.new_items,
    )
    _show(config, found, loaded)
    return found if graph is None else replace(found, reasons=explained(graph, found.items, found.seen, Console()))


@torch.inference_mode()
def recommend_from(
    run: RestoredRun,
    name: str,
    user: str | None,
    k: int,
    route: Route = LABEL,
    *,
    text: str | None = None,
    new_items: str | None = None,
) -> Recommendation:
    """The ``k`` best items of scenario ``name`` for a user, from everything known about the user.

    Args:
        run: a finished run.
        name: the scenario whose items are recommended.
        user: the user's id; None for one who is known by a text.
        k: number of items.
        route: by which adapter; any but the label's needs a router that has seen the scenario.
        text: what the user likes, in words, see :func:`polyscene.evaluation.asked.ask`.
        new_items: a file with items that came after training and may be recommended too.

    Raises:
        PolysceneError: no such user, the scenario recommends nothing, or the router cannot recognize it.
    """
    label = next(label for label in run.labels() if label == JOINT or name in run.scenarios_of(label))
    loaded = run.loaded.scenarios[name]
    model = run.model(label)
    task = model.main_task(name)
    if not task.from_history and not isinstance(task, PairTask):
        raise ConfigError(
            f"scenario '{name}' completes facts and recommends nothing to users",
            where="scenario",
            fix="choose one of " + ", ".join(other for other in run.loaded.scenarios if other != name),
        )
    if route != LABEL:
        _check_seen(model, name)
    asked = ask(run.session, model, name, loaded, user=user, text=text, new_items=new_items)
    loaded, events = asked.loaded, asked.loaded.events.to(model.device)
    subject = run.session.subject(name, loaded)
    one = replace(served(subject, loaded.config.max_history), counted=asked.counted.to(model.device))
    if asked.by_text:
        one = replace(one, view=replace(one.view, mask_history=False))
    retriever = Retriever(model, {name: one})
    query = retriever.query(name, torch.tensor([asked.user], device=model.device))
    if isinstance(task, CrossTask):
        query = replace(query, windows=task.meet(asked.user, loaded.tables, loaded.events))
    best = retriever.find({name: query}, min(k, events.n_items), route)[name]
    count = int((best.item_BK >= 0).sum())
    items = best.item_BK[0, :count].tolist()
    p_K = model.recognize(name, query.windows, retriever.catalogues[name])[0].tolist() if route != LABEL else []
    shares = {part: one_BK[0].tolist() for part, one_BK in retriever.shares(name, query, best, route).items()}
    ids: list[str] = loaded.tables.items["item_id"].tolist()
    start, stop = events.start_UP[asked.user, [Phase.TRAIN, -1]].tolist()
    seen = events.item_R[start:stop].flip(0).tolist()
    return Recommendation(
        [ids[item] for item in items],
        best.score_BK[0, :count].tolist(),
        [ids[item] for item in dict.fromkeys(seen)],
        len(set(seen)),
        {ids[item]: title for item, title in item_titles(loaded.tables, [*items, *seen]).items()},
        dict(zip(model.names, p_K, strict=False)),
        shares=[{part: share_K[rank] for part, share_K in shares.items()} for rank in range(count)],
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


def _show(config: RecommendConfig, found: Recommendation, loaded: LoadedScenario) -> None:
    whom = f"user {config.user}" if config.text is None else f'one who says "{config.text}"'
    console = Console()
    table = Table(title=Text(f"{config.scenario}: for {whom}", style="bold"), title_justify="left")
    table.add_column("rank", justify="right")
    table.add_column("item")
    table.add_column("title", overflow="fold")
    table.add_column("score", justify="right")
    parts = list(found.shares[0]) if found.shares else []
    for part in parts:
        table.add_column(part.replace("_", " "), justify="right", style="dim")
    for rank, (item, score) in enumerate(zip(found.items, found.scores, strict=True), start=1):
        shares = [f"{found.shares[rank - 1][part]:.2f}" for part in parts]
        table.add_row(str(rank), Text(item), Text(found.titles.get(item, "")), f"{score:.3f}", *shares)
    console.print(table)
    if found.recognized:
        likeliest = sorted(found.recognized.items(), key=lambda pair: -pair[1])
        shares = ", ".join(f"{name} {share:.3f}" for name, share in likeliest)
        console.print(Text(f"Recognized as ({config.route} routing): {shares}"), soft_wrap=True)
    shown = [found.titles.get(item, item) for item in found.seen[:_SEEN_SHOWN]]
    if config.text is not None:
        console.print(Text("Nearest to the text: " + "; ".join(shown)), soft_wrap=True)
        return
    order = "latest first" if loaded.events.ordered else "in no order"
    if shown:
        console.print(Text(f"Had {found.seen_count} items ({order}): " + "; ".join(shown)), soft_wrap=True)
    else:
        console.print("Had nothing yet.")
