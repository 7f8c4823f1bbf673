"""Sequence models: the user's state from the history."""

from __future__ import annotations

from polyscene.registry.components import Component
from polyscene.sequence.attention import AttentionPooling, AttentionPoolingConfig
from polyscene.sequence.causal_transformer import CausalTransformer, CausalTransformerConfig
from polyscene.sequence.gru import Gru, GruConfig
from polyscene.sequence.mean import MeanPooling
from polyscene.sequence.model import SequenceModel

COMPONENTS = [
    Component("sequence", "mean", MeanPooling),
    Component("sequence", "attention", AttentionPooling, AttentionPoolingConfig),
    Component("sequence", "causal_transformer", CausalTransformer, CausalTransformerConfig),
    Component("sequence", "gru", Gru, GruConfig),
]

__all__ = ["COMPONENTS", "SequenceModel"]
