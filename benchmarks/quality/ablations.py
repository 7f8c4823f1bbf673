"""What each part of the joint model is worth: the five scenarios without it, over three seeds.

    python -m benchmarks.quality.ablations
    python -m benchmarks.quality.ablations --seeds 0 --jobs 1

Protocols and row lists are those of :mod:`benchmarks.quality.five_scenarios`, trained as briefly as the quickstart
is, so that a model takes minutes: compare rows of this table with each other. ``joint`` is the whole model;
``no_priors`` and ``priors_only`` are its parts; ``id_only``, ``text_only``, ``shuffled_text``, ``no_graph`` and
``shuffled_links`` are trained with one thing changed, on the same rows, seed and steps, each in a run of its own.
A control stands in the rows of the scenarios in which it changes something.

Five to ten minutes a run on one core, six runs a seed. Finished runs are remembered, so that a suite that was
stopped goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.quality.five_scenarios import PROTOCOLS
from benchmarks.quality.suite import Suite, main

JOINT = "joint"
PARTS = ("no_priors", "priors_only")
CONTROLS = ("id_only", "text_only", "shuffled_text", "no_graph", "shuffled_links")


@dataclass(frozen=True)
class Ablations(Suite):
    """The suite of one kind of run: the joint model and all that it is without."""

    def arguments(self, kind: str, seed: int) -> list[str]:
        """The arguments of ``polyscene train`` for one run."""
        return [
            f"experiment={self.experiment}",
            *PROTOCOLS,
            f"controls=[{','.join(PARTS if kind == JOINT else (kind,))}]",
            f"seed={seed}",
        ]

    def method(self, kind: str, found: str) -> str:
        """Beside each control stands the joint model of its run, which is that of the first kind again."""
        return found if kind == JOINT or found != JOINT else ""


SUITE = Ablations(
    "ablations",
    "python -m benchmarks.quality.ablations",
    "quickstart",
    ("ndcg@10", "recall@10", "mrr"),
    kinds=(JOINT, *CONTROLS),
)

if __name__ == "__main__":
    main(SUITE)
