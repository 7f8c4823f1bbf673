"""Evaluation: protocols, rankings, metrics, baselines and recommendations."""
