"""Why an item may suit a user: paths through the knowledge graph from what the user had to what is recommended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from polyscene.errors import ConfigError
from polyscene.graph.items import Fact, ItemGraph, Step
from polyscene.training.loading import LoadedScenario

MOST_FACTS = 2
_NAMED = 2


@dataclass(frozen=True)
class Path:
    """From an item of the past to a recommended one, along at most two training facts.

    Args:
        seen: the item of the past.
        facts: none where both items are one entity, one where a fact joins them, two where they share an entity.
    """

    seen: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True)
class Reason:
    """What a recommended item has to do with the past, in words and as paths.

    Args:
        text: for people.
        through: the shared entity, empty where items are joined directly.
        items: number of linked items that share it: the fewer, the more it says.
        paths: from each item of the past, latest first.
    """

    text: str
    through: str
    items: int
    paths: tuple[Path, ...]


class Explainer:
    """Explains items to one user.

    Only the facts around the past and around the item are looked at, so the cost does not grow with the graph.

    Args:
        graph: the items' graph, of training facts only.
        seen: items of the past, latest first; those that are not linked to the graph explain nothing.
    """

    def __init__(self, graph: ItemGraph, seen: Iterable[str]) -> None:
        self.graph = graph
        self.own = {item: graph.entity_of[item] for item in dict.fromkeys(seen) if item in graph.entity_of}
        self._near: dict[str, dict[str, list[Step]]] = {}
        for item, entity in self.own.items():
            for step in graph.around(entity):
                self._near.setdefault(step.entity, {}).setdefault(item, []).append(step)

    def reasons(self, item: str, most: int = 2) -> list[Reason]:
        """At most ``most`` reasons for an item: shorter paths first, then those through the rarest entities."""
        entity = self.graph.entity_of.get(item)
        if entity is None:
            return []
        same = [seen for seen, own in self.own.items() if own == entity and seen != item]
        found = []
        if same:
            found.append(Reason(f"the same as {self._listed(same)}", "", 0, tuple(Path(one, ()) for one in same)))
        steps: dict[str, list[Step]] = {}
        for step in self.graph.around(entity):
            steps.setdefault(step.entity, []).append(step)
        found += [
            self._direct(seen, steps[own]) for seen, own in self.own.items() if own in steps and seen != item
        ]
        taken = {entity, *self.own.values()}
        shared = [self._shared(item, steps[one]) for one in steps if one in self._near and one not in taken]
        found += sorted(
            (one for one in shared if one.paths), key=lambda one: (one.items, -len(one.paths), one.through)
        )
        return found[:most]

    def _direct(self, seen: str, steps: list[Step]) -> Reason:
        words = " and ".join(self.graph.word(step.relation) for step in steps)
        return Reason(f"its {words} is {self._name(seen)}", "", 0, (Path(seen, (steps[0].fact,)),))

    def _shared(self, item: str, steps: list[Step]) -> Reason:
        through = steps[0].entity
        near = {seen: found for seen, found in self._near[through].items() if seen != item}
        here = {step.relation: step for step in steps}
        there = {step.relation for found in near.values() for step in found}
        both = [relation for relation in here if relation in there]
        name = f" ({self.graph.names[through]})" if through in self.graph.names else ""
        items = len(self.graph.items_at[through])
        if both:
            near = {seen: [one for one in found if one.relation in both] for seen, found in near.items()}
            near = {seen: found for seen, found in near.items() if found}
            text = f"same {self._words(both)}{name} as {self._listed(near)}"
        else:
            text = f"its {self._words(list(here))}{name} is {self._words(sorted(there))} of {self._listed(near)}"
        paths = tuple(
            Path(seen, (found[0].fact, here.get(found[0].relation, steps[0]).fact)) for seen, found in near.items()
        )
        return Reason(f"{text} ({items:,} items share it)", through, items, paths)

    def _words(self, relations: Sequence[str]) -> str:
        return " and ".join(dict.fromkeys(self.graph.word(relation) for relation in relations))

    def _listed(self, items: Iterable[str]) -> str:
        names = [self._name(item) for item in items]
        more = f" and {len(names) - _NAMED:,} more" if len(names) > _NAMED else ""
        return (", " if more else " and ").join(names[:_NAMED]) + more

    def _name(self, item: str) -> str:
        return self.graph.names.get(self.graph.entity_of[item], item)


def graph_to_explain(loaded: LoadedScenario, name: str) -> ItemGraph:
    """The graph that explains the items of a scenario.

    Raises:
        ConfigError: they are linked to none.
    """
    graph = (loaded.whole or loaded).graph
    if graph is None:
        raise ConfigError(
            f"no knowledge graph is linked to the items of '{name}' in this run, so there are no paths to show",
            where="explain",
            fix="leave it out, or use a run with a graph, as of `polyscene train scenario=[video,kg]`",
        )
    return graph


def explained(graph: ItemGraph, items: Sequence[str], seen: Sequence[str], console: Console) -> list[list[Reason]]:
    """The reasons of each item, printed; where there are none, it is said why.

    Args:
        graph: the items' graph.
        items: what is recommended, best first.
        seen: items of the past, latest first.
        console: where to print.
    """
    explainer = Explainer(graph, seen)
    reasons = [explainer.reasons(item) for item in items]
    console.print("Paths in the graph (what joins the items; the scores come from the whole model):")
    for rank, (item, found) in enumerate(zip(items, reasons, strict=True), start=1):
        text = "; ".join(reason.text for reason in found)
        if item not in graph.entity_of:
            text = "not linked to the graph"
        elif not found:
            past = f"no path of at most {MOST_FACTS} facts", "nothing in the past is linked to the graph"
            text = past[not explainer.own]
        title = graph.names.get(graph.entity_of.get(item, ""), item)
        console.print(Text(f"  {rank}. {title}: {text}"), soft_wrap=True)
    return reasons
