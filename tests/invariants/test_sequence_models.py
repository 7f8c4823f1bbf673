"""Every sequence model of the core under the kit."""

from __future__ import annotations

from polyscene.sequence import COMPONENTS
from polyscene.testing import suite_of

for _component in COMPONENTS:
    _suite = suite_of(_component, reads_order=_component.name != "mean")
    globals()[_suite.__name__] = _suite
