"""The model: how encoders, sequence model, adapter banks and tasks become one network."""

from __future__ import annotations

from polyscene.model.network import PolysceneModel
from polyscene.model.parts import ScenarioParts

__all__ = ["PolysceneModel", "ScenarioParts"]
