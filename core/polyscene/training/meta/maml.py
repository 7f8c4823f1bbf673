"""MAML: a start from which few gradient steps lead far."""

from __future__ import annotations

from polyscene.training.meta.algorithm import GradientAlgorithm


class Maml(GradientAlgorithm):
    """``min sum_tasks L_query(fast - a grad L_support(fast))``, derived through all inner steps [Finn et al.,
    ICML 2017].

    Fast are the scenario's adapters and its heads. MeLU [Lee et al., KDD 2019], MAML for users with embeddings
    that stay slow, is this with ``task=user``.
    """
