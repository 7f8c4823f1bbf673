from __future__ import annotations

import pytest

from polyscene.backbone import BackboneConfig
from polyscene.errors import ConfigError


def test_the_defaults_are_valid():
    BackboneConfig().validate()


def test_all_problems_are_reported_at_once():
    config = BackboneConfig(
        pooling="max",
        dtype="int4",
        tune="some",
        max_len=0,
        batch_tokens=0,
        suffix_layers=0,
        requirement="x",
        sha256="",
    )
    with pytest.raises(ConfigError) as caught:
        config.validate()
    for key in ("pooling", "dtype", "tune", "max_len", "batch_tokens", "suffix_layers", "requirement", "sha256"):
        assert key in str(caught.value)


def test_a_model_of_ones_own_needs_no_wheel():
    BackboneConfig(model="somewhere/else", requirement="", sha256="").validate()
