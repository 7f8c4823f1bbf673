"""Metrics: values per user, then mean and standard error over users."""

from polyscene.evaluation.metrics.beyond_accuracy import (
    catalogue_coverage,
    gini,
    novelty,
    popularity_bias,
    recommendation_counts,
)
from polyscene.evaluation.metrics.click import auc, calibration_error, grouped_auc, log_loss, users_with_both
from polyscene.evaluation.metrics.decision import decision_figures
from polyscene.evaluation.metrics.rank import average_precision, hit, ndcg, recall, reciprocal_rank
from polyscene.evaluation.metrics.rating import mae, rmse
from polyscene.evaluation.metrics.summary import Summary, summarize
from polyscene.evaluation.metrics.triple import filtered_ranks, hits_at, known_tails, mean_reciprocal_rank

__all__ = [
    "Summary",
    "auc",
    "average_precision",
    "calibration_error",
    "catalogue_coverage",
    "decision_figures",
    "filtered_ranks",
    "gini",
    "grouped_auc",
    "hit",
    "hits_at",
    "known_tails",
    "log_loss",
    "mae",
    "mean_reciprocal_rank",
    "ndcg",
    "novelty",
    "popularity_bias",
    "recall",
    "reciprocal_rank",
    "recommendation_counts",
    "rmse",
    "summarize",
    "users_with_both",
]
