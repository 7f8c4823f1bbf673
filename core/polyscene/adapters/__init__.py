"""Adapters: the adaptation function of each scenario."""

from __future__ import annotations

from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.adapters.bottleneck import Bottleneck, BottleneckConfig
from polyscene.adapters.gate import Gate, GateConfig
from polyscene.adapters.id_feature import IdFeature, IdFeatureConfig
from polyscene.adapters.none import NoAdapter
from polyscene.registry.components import Component

COMPONENTS = [
    Component("adapter", "none", NoAdapter),
    Component("adapter", "id_feature", IdFeature, IdFeatureConfig),
    Component("adapter", "gate", Gate, GateConfig),
    Component("adapter", "bottleneck", Bottleneck, BottleneckConfig),
]

__all__ = ["COMPONENTS", "AdapterBank", "Routing"]
