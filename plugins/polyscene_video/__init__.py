"""Video: what a viewer watches next, from ratings in the order in which they were given."""

from __future__ import annotations

from collections.abc import Iterable

from polyscene import Component, Scenario, hookimpl

POLYSCENE_API = "1.0"


@hookimpl
def polyscene_scenarios() -> Iterable[Scenario]:
    """The scenario ``video``."""
    from polyscene_video.data import VIDEO

    return [VIDEO]


@hookimpl
def polyscene_components() -> Iterable[Component]:
    """Encoder ``watch_gap``, adapter ``excitation`` and loss ``rating_weighted``."""
    from polyscene_video.adapter import ExcitationBank, ExcitationConfig
    from polyscene_video.features import WatchGapConfig, WatchGapEncoder
    from polyscene_video.loss import RatingWeightedConfig, RatingWeightedLoss

    return [
        Component("encoder", "watch_gap", WatchGapEncoder, WatchGapConfig),
        Component("adapter", "excitation", ExcitationBank, ExcitationConfig),
        Component("loss", "rating_weighted", RatingWeightedLoss, RatingWeightedConfig),
    ]


@hookimpl
def polyscene_config_paths() -> Iterable[str]:
    """The plugin's own config groups."""
    return ["pkg://polyscene_video.conf"]
