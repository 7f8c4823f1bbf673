"""Every prior of the core under the kit."""

from __future__ import annotations

from polyscene.priors import COMPONENTS
from polyscene.testing import PriorSuite, suites_of

BY_NAME = {component.name: component for component in COMPONENTS}
globals().update(suites_of(one for one in COMPONENTS if one.name != "linear"))


class TestLinear(PriorSuite):
    component = BY_NAME["linear"]
    options = {"l2": 5.0}  # as strong for a few users as the default for many


class TestLinearWithWeights(TestLinear):
    options = {"l2": 5.0, "log_weights": True}


class TestLinearThatAges(TestLinear):
    options = {"l2": 5.0, "half_life_days": 5.0}


class TestTruncatedLinear(TestLinear):
    options = {"l2": 5.0, "limit": 5, "rank": 11}
