"""Every fusion of the core under the kit."""

from __future__ import annotations

from polyscene.features import COMPONENTS
from polyscene.testing import suites_of

globals().update(suites_of(one for one in COMPONENTS if one.kind == "fusion"))
