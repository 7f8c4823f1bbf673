"""Encoders and fusions: columns of a table become one vector per row."""

from __future__ import annotations

from polyscene.features.category import CategoryEncoder, CategoryEncoderConfig
from polyscene.features.concat import ConcatFusion
from polyscene.features.encoder import Encoder, FitContext, SharedModules
from polyscene.features.entity import EntityEncoder
from polyscene.features.fusion import Fusion
from polyscene.features.gated import GatedFusion, GatedFusionConfig
from polyscene.features.identity import IdEncoder, IdEncoderConfig
from polyscene.features.kgat import KgatEncoder, KgatEncoderConfig
from polyscene.features.number import NumberEncoder, NumberEncoderConfig
from polyscene.features.side_vectors import SideVectorsEncoder, SideVectorsEncoderConfig
from polyscene.features.tags import TagsEncoder, TagsEncoderConfig
from polyscene.features.text import TextEncoder, TextEncoderConfig
from polyscene.features.tfidf import TfidfEncoder, TfidfEncoderConfig
from polyscene.features.time import TimeEncoder, TimeEncoderConfig
from polyscene.registry.components import Component

COMPONENTS = [
    Component("encoder", "text", TextEncoder, TextEncoderConfig),
    Component("encoder", "tfidf", TfidfEncoder, TfidfEncoderConfig),
    Component("encoder", "id", IdEncoder, IdEncoderConfig),
    Component("encoder", "category", CategoryEncoder, CategoryEncoderConfig),
    Component("encoder", "tags", TagsEncoder, TagsEncoderConfig),
    Component("encoder", "number", NumberEncoder, NumberEncoderConfig),
    Component("encoder", "time", TimeEncoder, TimeEncoderConfig),
    Component("encoder", "kgat", KgatEncoder, KgatEncoderConfig),
    Component("encoder", "side_vectors", SideVectorsEncoder, SideVectorsEncoderConfig),
    Component("fusion", "concat", ConcatFusion),
    Component("fusion", "gated", GatedFusion, GatedFusionConfig),
]

__all__ = ["COMPONENTS", "Encoder", "EntityEncoder", "FitContext", "Fusion", "SharedModules"]
