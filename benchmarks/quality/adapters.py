"""The five built-in scenarios, jointly trained with every adapter kind.

    python -m benchmarks.quality.adapters
    python -m benchmarks.quality.adapters --kinds none star --seeds 0 --jobs 1

Protocols are the plain ones of the quickstart, with no items held out, and 200 steps instead of 360, because three
seeds of all kinds are many runs.
"""

from __future__ import annotations

from benchmarks.quality.protocols import PLAIN
from benchmarks.quality.suite import Suite, main

SUITE = Suite(
    "adapters",
    "python -m benchmarks.quality.adapters",
    "quickstart",
    ("ndcg@10", "recall@10", "mrr"),
    ("controls=[]", "trainer.steps=200", "trainer.eval_every=50", "scenario.social.dataset=lastfm_2k", *PLAIN),
)

if __name__ == "__main__":
    main(SUITE)
