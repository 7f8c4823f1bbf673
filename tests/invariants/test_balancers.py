"""Every balancer of the core under the kit."""

from __future__ import annotations

from polyscene.testing import suite_of
from polyscene.training.balancers import COMPONENTS

for _component in COMPONENTS:
    # What dwa remembers would not change in the few steps of the test.
    _suite = suite_of(_component, options={"every": 1} if _component.name == "dwa" else {})
    globals()[_suite.__name__] = _suite
