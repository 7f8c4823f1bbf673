"""The knowledge graph: store, checks of links, triple scoring, and what enrichers hand over."""

from polyscene.graph.enrichment import Enrichment
from polyscene.graph.links import LinkCheck, check_links
from polyscene.graph.scoring import SCORINGS, TripleScoring, triple_scoring
from polyscene.graph.store import KnowledgeGraph, Neighbor, inverse_relations

__all__ = [
    "SCORINGS",
    "Enrichment",
    "KnowledgeGraph",
    "LinkCheck",
    "Neighbor",
    "TripleScoring",
    "check_links",
    "inverse_relations",
    "triple_scoring",
]
