"""The pretrained transformer that all scenarios share, and the store of what it computed."""

from polyscene.backbone.config import BackboneConfig
from polyscene.backbone.pretrained import Backbone
from polyscene.backbone.states import TokenStates
from polyscene.backbone.store import ActivationStore
from polyscene.backbone.suffix import Suffix

__all__ = ["ActivationStore", "Backbone", "BackboneConfig", "Suffix", "TokenStates"]
