"""Knowledge graph: facts about films, completed on their own and lent to the films of another scenario."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from polyscene import (
    Category,
    Component,
    Id,
    PriorSpec,
    Scenario,
    ScenarioConfig,
    TaskSpec,
    Text,
    Way,
    components_of,
    hookimpl,
    imported,
)

if TYPE_CHECKING:
    from polyscene import Enrichment, Split, Tables

POLYSCENE_API = "1.0"
ENRICHED = "video"


@dataclass
class KgConfig(ScenarioConfig):
    """Options of the kg scenario.

    Args:
        dataset: the graph; any folder with ``train``, ``valid`` and ``test`` or one file of facts will do.
        readable_ids: whether ids of entities are their names ("anatomical_structure"), where the graph brings no
            ``entity2text.txt``; otherwise entities have no text.
        enrich: what the graph gives to the films of video, one way or several: ``verbalized`` (facts as a text),
            ``attention`` (entities around the film, weighed as in KGAT), ``side_vectors`` (vectors learned from
            the facts alone). With ``[]`` it explains recommendations and gives nothing.
    """

    dataset: str = "freebase_films"
    split: dict[str, Any] = field(default_factory=lambda: {"name": "triples"})
    readable_ids: bool = True
    enrich: Way | list[Way] = field(default_factory=lambda: ["attention"])


KG = Scenario(
    name="kg",
    title="Facts about films: which entity completes (film, directed by, ?)",
    load=imported("polyscene_kg.data", "load"),
    item_columns=(Text(), Category("type"), Id()),
    event_columns=(Category("relation"),),
    tasks=(TaskSpec("triple", options={"loss": "self_adversarial"}),),
    priors=(PriorSpec("shared_facts"),),
    item_space="kg_entity",
    config=KgConfig,
)


@hookimpl
def polyscene_scenarios() -> list[Scenario]:
    """The scenario ``kg``."""
    return [KG]


@hookimpl
def polyscene_components() -> list[Component]:
    """The complex_gate adapter, the self_adversarial loss and the triples split."""
    return components_of(__name__, "adapter", "loss", "split")


@hookimpl
def polyscene_enrich(
    scenario: str,
    tables: Tables,
    loaded: dict[str, Tables],
    splits: dict[str, Split],
    options: dict[str, Any],
) -> Enrichment | None:
    """Facts about the films of ``video``, where both scenarios are in the run; nothing otherwise."""
    if scenario != ENRICHED or "kg" not in loaded:
        return None
    ways = options["kg"].enrich
    film_facts = imported("polyscene_kg.enrichment", "film_facts")
    return film_facts(tables, loaded["kg"], splits["kg"], [ways] if isinstance(ways, str) else ways)


@hookimpl
def polyscene_config_paths() -> list[str]:
    """Configs of the scenario."""
    return [f"pkg://{__name__}.conf"]
