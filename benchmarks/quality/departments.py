"""The Complete Journey's departments (grocery, drug store, produce, meat) as scenarios of the same households.

    python -m benchmarks.quality.departments
    python -m benchmarks.quality.departments --kinds none star --seeds 0 --jobs 1

The source is described as real purchases by one publisher and as simulated from real patterns by another.
"""

from __future__ import annotations

from benchmarks.quality.suite import Suite, main

SUITE = Suite("departments", "python -m benchmarks.quality.departments", "departments", ("ndcg@10", "recall@10"))

if __name__ == "__main__":
    main(SUITE)
