"""The bend adapter: what every adapter must hold to."""

from __future__ import annotations

from polyscene_adapters.bend import COMPONENTS

from polyscene.testing import AdapterSuite


class TestBend(AdapterSuite):
    component = COMPONENTS[0]
