"""The sample that a new scenario reads until it has data of its own: two small CSV files, generated."""

from __future__ import annotations

from polyscene.data.generated import generate

FOLDER = "generated_sample"


def sample_files() -> dict[str, str]:
    """Texts of the CSV files by path: people who mostly take up items of one topic."""
    tables = generate(users=40, items=40, interactions=600, seed=0, clusters=4, affinity=0.9)
    items = tables.items[["item_id", "text"]]
    interactions = tables.interactions[["user_id", "item_id", "timestamp"]]
    return {
        f"{FOLDER}/items.csv": items.to_csv(index=False, lineterminator="\n"),
        f"{FOLDER}/interactions.csv": interactions.to_csv(index=False, lineterminator="\n"),
    }
