"""The five scenarios, jointly trained, beside each alone and beside counting, over three seeds.

    python -m benchmarks.quality.five_scenarios
    python -m benchmarks.quality.five_scenarios --seeds 0 --jobs 1

Protocols and row lists are those of :mod:`benchmarks.quality.protocols`: A for video, B for ecommerce, C (warm,
with all artists) for music, D for social; facts of kg are split at random with inverse facts kept together. Every
method is asked for the same rows: baselines count training and validation rows, models learn from training rows,
choose their best step and their gates on validation rows, and see both as history. Rankings are full. Batches draw
rows in proportion to what each scenario has (temperature 1), so that small ones are not learned by heart while
large ones are still learning, and a scenario whose validation score no longer grows leaves its rows to the others.
The split of social has no validation rows, so a tenth of its training rows become such.

Beside the joint model stand its parts (``no_priors``, ``priors_only``), and with the first seed the baselines.
Each scenario alone (``single``) is a run of its own: the same data, steps and rows of a scenario in a batch. What
becomes of the joint model without text or graph is told by :mod:`benchmarks.quality.ablations`.

A run takes a quarter to half an hour on one core. Finished runs are remembered, so that a suite that was stopped
goes on where it was.
"""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.quality.protocols import PLAIN
from benchmarks.quality.suite import SEEDS, Suite, main

BASELINES = ("popularity", "recent_popularity", "item_knn", "ease", "content", "adamic_adar", "random_walk")
JOINT, SINGLE = "joint", "single"
PARTS = ("no_priors", "priors_only")
_SOCIAL = (
    "{name: given, path: splits/lastfm_social_split.parquet, user_column: u, item_column: v, undirected: true, "
    "validation: 0.1}"
)
PROTOCOLS = (
    *PLAIN,
    "scenario.music.split={name: given, path: splits/lastfm_music_split.parquet}",
    "scenario.social.dataset=lastfm_2k",
    f"scenario.social.split={_SOCIAL}",
)
TRAINING = (
    "trainer.steps=2000",
    "trainer.batch_rows=4096",
    "trainer.temperature=1",
    "trainer.eval_every=125",
    "trainer.patience=0",
    "trainer.rest_after=2",
    "model.content_dropout=0",
)


@dataclass(frozen=True)
class FiveScenarios(Suite):
    """The suite of one kind of run."""

    def arguments(self, kind: str, seed: int) -> list[str]:
        """The arguments of ``polyscene train`` for one run; baselines do not depend on the seed."""
        controls = [*PARTS, *(BASELINES if seed == SEEDS[0] else ())]
        own = {JOINT: [f"controls=[{','.join(controls)}]"], SINGLE: ["strategy=single", "controls=[]"]}
        return [f"experiment={self.experiment}", *PROTOCOLS, *TRAINING, *own[kind], f"seed={seed}"]


SUITE = FiveScenarios(
    "five_scenarios",
    "python -m benchmarks.quality.five_scenarios",
    "quickstart",
    ("ndcg@10", "recall@10", "mrr", "rmse"),
    kinds=(JOINT, SINGLE),
)

if __name__ == "__main__":
    main(SUITE)
