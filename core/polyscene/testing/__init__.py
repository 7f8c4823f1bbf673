"""The conformance kit: what must hold for what a plugin brings, as test classes to inherit from.

A component's test class is four lines. It says which component; pytest runs what the suite of its kind has::

    from polyscene.testing import AdapterSuite
    from polyscene_news.adapter import COMPONENTS

    class TestComet(AdapterSuite):
        component = COMPONENTS[0]

A test that fails says what it means and what mends it. The extra ``polyscene[testing]`` brings pytest.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from polyscene.testing.adapter import AdapterSuite as AdapterSuite
    from polyscene.testing.balancer import BalancerSuite as BalancerSuite
    from polyscene.testing.encoder import EncoderSuite as EncoderSuite
    from polyscene.testing.enricher import EnricherSuite as EnricherSuite
    from polyscene.testing.enricher import Lent as Lent
    from polyscene.testing.fusion import FusionSuite as FusionSuite
    from polyscene.testing.loss import LossSuite as LossSuite
    from polyscene.testing.metric import MetricSuite as MetricSuite
    from polyscene.testing.policy import PolicySuite as PolicySuite
    from polyscene.testing.prior import PriorSuite as PriorSuite
    from polyscene.testing.runs import host_of as host_of
    from polyscene.testing.scenario import ScenarioSuite as ScenarioSuite
    from polyscene.testing.sequence import SequenceSuite as SequenceSuite
    from polyscene.testing.source import SourceSuite as SourceSuite
    from polyscene.testing.suite import ComponentSuite as ComponentSuite
    from polyscene.testing.suites import suite_of as suite_of
    from polyscene.testing.suites import suites_of as suites_of

_HOME = {
    "adapter": ("AdapterSuite",),
    "balancer": ("BalancerSuite",),
    "encoder": ("EncoderSuite",),
    "enricher": (
        "EnricherSuite",
        "Lent",
    ),
    "fusion": ("FusionSuite",),
    "loss": ("LossSuite",),
    "metric": ("MetricSuite",),
    "policy": ("PolicySuite",),
    "prior": ("PriorSuite",),
    "runs": ("host_of",),
    "scenario": ("ScenarioSuite",),
    "sequence": ("SequenceSuite",),
    "source": ("SourceSuite",),
    "suite": ("ComponentSuite",),
    "suites": (
        "suite_of",
        "suites_of",
    ),
}
_MODULE_OF = {name: f"{__name__}.{module}" for module, names in _HOME.items() for name in names}

# What is registered before it is imported says which values made an assertion fail.
pytest.register_assert_rewrite(*sorted({*_MODULE_OF.values(), f"{__name__}.state"}))


def __getattr__(name: str) -> Any:
    if name not in _MODULE_OF:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    return getattr(importlib.import_module(_MODULE_OF[name]), name)


def __dir__() -> list[str]:
    return [*globals(), *_MODULE_OF]
