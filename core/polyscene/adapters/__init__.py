"""Adapters: the adaptation function of each scenario."""

from __future__ import annotations

from polyscene.adapters.adaptdhm import AdaptDhm, AdaptDhmConfig
from polyscene.adapters.adasparse import AdaSparse, AdaSparseConfig
from polyscene.adapters.bank import AdapterBank, Routing
from polyscene.adapters.bottleneck import Bottleneck, BottleneckConfig
from polyscene.adapters.combine import CombinedConfig, Parallel, Stack
from polyscene.adapters.epnet import Epnet, EpnetConfig
from polyscene.adapters.film import Film
from polyscene.adapters.fusion import Fusion, FusionConfig
from polyscene.adapters.gate import Gate, GateConfig
from polyscene.adapters.hamur import Hamur, HamurConfig
from polyscene.adapters.id_feature import IdFeature, IdFeatureConfig
from polyscene.adapters.lora import Lora, LoraConfig
from polyscene.adapters.m2m import M2m, M2mConfig
from polyscene.adapters.m3oe import M3oe, M3oeConfig
from polyscene.adapters.mmoe import Mmoe, MmoeConfig
from polyscene.adapters.none import NoAdapter
from polyscene.adapters.ple import Ple, PleConfig
from polyscene.adapters.ppnet import Ppnet, PpnetConfig
from polyscene.adapters.sarnet import Sarnet, SarnetConfig
from polyscene.adapters.star import Star, StarConfig
from polyscene.registry.components import Component

COMPONENTS = [
    Component("adapter", "none", NoAdapter),
    Component("adapter", "id_feature", IdFeature, IdFeatureConfig),
    Component("adapter", "gate", Gate, GateConfig),
    Component("adapter", "bottleneck", Bottleneck, BottleneckConfig),
    Component("adapter", "lora", Lora, LoraConfig),
    Component("adapter", "film", Film),
    Component("adapter", "star", Star, StarConfig),
    Component("adapter", "epnet", Epnet, EpnetConfig),
    Component("adapter", "ppnet", Ppnet, PpnetConfig),
    Component("adapter", "sarnet", Sarnet, SarnetConfig),
    Component("adapter", "adasparse", AdaSparse, AdaSparseConfig),
    Component("adapter", "mmoe", Mmoe, MmoeConfig),
    Component("adapter", "ple", Ple, PleConfig),
    Component("adapter", "hamur", Hamur, HamurConfig),
    Component("adapter", "m3oe", M3oe, M3oeConfig),
    Component("adapter", "m2m", M2m, M2mConfig),
    Component("adapter", "adaptdhm", AdaptDhm, AdaptDhmConfig),
    Component("adapter", "stack", Stack, CombinedConfig),
    Component("adapter", "parallel", Parallel, CombinedConfig),
    Component("adapter", "fusion", Fusion, FusionConfig),
]

__all__ = ["COMPONENTS", "AdapterBank", "Routing"]
