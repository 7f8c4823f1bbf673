"""Suites for everything that a plugin brings, without a test file of its own."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from polyscene.registry.components import Component
from polyscene.testing.adapter import AdapterSuite
from polyscene.testing.balancer import BalancerSuite
from polyscene.testing.encoder import EncoderSuite
from polyscene.testing.fusion import FusionSuite
from polyscene.testing.loss import LossSuite
from polyscene.testing.metric import MetricSuite
from polyscene.testing.policy import PolicySuite
from polyscene.testing.prior import PriorSuite
from polyscene.testing.sequence import SequenceSuite
from polyscene.testing.suite import ComponentSuite

SUITES: dict[str, type[ComponentSuite]] = {
    suite.kind: suite
    for suite in (
        AdapterSuite,
        BalancerSuite,
        EncoderSuite,
        FusionSuite,
        LossSuite,
        MetricSuite,
        PolicySuite,
        PriorSuite,
        SequenceSuite,
    )
}
"""The suite of each kind of component that has one."""


def suite_of(component: Component, **attributes: Any) -> type[ComponentSuite]:
    """The test class of a component, as one would write it by hand.

    Args:
        component: what is tested; its kind has a suite in :data:`SUITES`.
        attributes: of the class, such as ``column`` for an encoder.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.adapters.film import Film
        >>> suite_of(Component("adapter", "film", Film)).__name__
        'TestAdapterFilm'
    """
    name = f"Test_{component.kind}_{component.name}".title().replace("_", "")
    return type(name, (SUITES[component.kind],), {"component": component, **attributes})


def suites_of(components: Iterable[Component]) -> dict[str, type[ComponentSuite]]:
    """Test classes by name for components whose kind has a suite, for ``globals().update`` of a test module."""
    found = [suite_of(component) for component in components if component.kind in SUITES]
    return {suite.__name__: suite for suite in found}
