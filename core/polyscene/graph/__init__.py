"""The knowledge graph: store, checks of links, triple scoring, and what enrichers hand over."""

from polyscene.graph.directions import INVERSE, both_directions, is_inverse, plain
from polyscene.graph.enrichment import Enrichment
from polyscene.graph.files import read_facts, read_links
from polyscene.graph.links import LinkCheck, check_links
from polyscene.graph.scoring import SCORINGS, TripleScoring, triple_scoring
from polyscene.graph.store import KnowledgeGraph, Neighbor, inverse_relations

__all__ = [
    "INVERSE",
    "SCORINGS",
    "Enrichment",
    "KnowledgeGraph",
    "LinkCheck",
    "Neighbor",
    "TripleScoring",
    "both_directions",
    "check_links",
    "inverse_relations",
    "is_inverse",
    "plain",
    "read_facts",
    "read_links",
    "triple_scoring",
]
