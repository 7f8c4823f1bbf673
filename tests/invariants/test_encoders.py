"""Every encoder of the core under the kit."""

from __future__ import annotations

from polyscene.features import COMPONENTS
from polyscene.testing import suite_of
from tests.invariants.small_world import column_for

for _component in COMPONENTS:
    if _component.kind == "encoder":
        _suite = suite_of(_component, column=column_for(_component.name))
        globals()[_suite.__name__] = _suite
