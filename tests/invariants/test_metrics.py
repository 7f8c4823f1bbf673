"""Every metric component of the core under the kit."""

from __future__ import annotations

from polyscene.evaluation.metrics.components import COMPONENTS
from polyscene.testing import suite_of

for _component in COMPONENTS:
    _suite = suite_of(_component, rewards_targets=_component.name != "novelty")
    globals()[_suite.__name__] = _suite
