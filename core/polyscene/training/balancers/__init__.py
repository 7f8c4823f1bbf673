"""Balancers: what turns the scenarios' losses, or their gradients, into one update."""

from __future__ import annotations

from polyscene.registry.components import Component
from polyscene.training.balancers.balancer import Balancer
from polyscene.training.balancers.mean import MeanBalancer

__all__ = ["COMPONENTS", "Balancer", "MeanBalancer"]

COMPONENTS = [Component("balancer", "mean", MeanBalancer)]
