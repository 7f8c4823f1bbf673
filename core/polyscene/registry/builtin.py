"""The core's own components, gathered from the modules that hold them."""

from __future__ import annotations

import importlib

from polyscene.registry.components import Component, Registry

# Each of these has a list called COMPONENTS. They import torch, so they are imported on first use only.
PACKAGES = (
    "polyscene.features",
    "polyscene.sequence",
    "polyscene.adapters",
    "polyscene.routing",
    "polyscene.auxiliary",
    "polyscene.tasks",
    "polyscene.priors",
    "polyscene.data.splits",
    "polyscene.training.strategy",
    "polyscene.training.meta.strategy",
    "polyscene.training.balancers",
    "polyscene.training.loggers",
    "polyscene.evaluation.baselines",
    "polyscene.evaluation.metrics.components",
    "polyscene.experiments.policies",
)


def builtin_registry() -> Registry:
    """A registry with every component of the core."""
    components: list[Component] = []
    for package in PACKAGES:
        components += importlib.import_module(package).COMPONENTS
    return Registry(components)
