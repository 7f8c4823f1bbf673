"""The controls that are models: what a config may name beside baselines."""

from __future__ import annotations

SINGLE = "single"
"""Each scenario alone: what the others give or take."""
ID_ONLY = "id_only"
CHANGES = {
    ID_ONLY: "items are read by their ids, without content dropout and priors of texts: what content gives",
    "text_only": "items are read by their own texts: what ids and other columns give",
    "shuffled_text": "every item has the texts of another one: what texts give beyond more parameters",
    "no_graph": "items are read without what the knowledge graph adds: what the graph gives",
    "shuffled_links": "every linked item has the entity of another one: what the right facts give",
}
"""What each of the others changes in a run, and what the comparison says."""
PARTS = {
    "no_priors": "the network alone: what counting gives",
    "priors_only": "what is counted alone, weighed anew: what the network gives",
}
"""Parts of a run's own scores; nothing more is trained for them."""
MODELS = (SINGLE, *CHANGES, *PARTS)
"""All of them; but for parts, each is trained with the rows, seed and steps of the run."""
