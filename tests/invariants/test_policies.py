"""Every policy of the core under the kit."""

from __future__ import annotations

from polyscene.experiments.policies import COMPONENTS
from polyscene.testing import suites_of

globals().update(suites_of(COMPONENTS))
