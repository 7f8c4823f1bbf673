"""No part of these plugins may wait for the host or mix devices: a step runs on fake tensors of another device."""

from __future__ import annotations

import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene import Routing
from polyscene.registry.host import load_host
from polyscene_ecommerce.loss import ClassWeightedConfig, ClassWeightedLoss
from polyscene_ecommerce.task import PurchaseTask
from polyscene_music.loss import ListenerConfidenceConfig, ListenerConfidenceLoss
from polyscene_social.loss import ActivityDebiasedConfig, ActivityDebiasedLoss
from tests.plugins.small import FixedCatalogue, windows
from tests.plugins.test_ecommerce_parts import hierarchy, purchase
from tests.plugins.test_music_parts import profile
from tests.plugins.test_social_parts import friends

DEVICE = "meta"
OWN = ("ecommerce", "music", "social")


def steps():
    zeros = torch.zeros(2, 3, dtype=torch.int64, device=DEVICE)
    ones = torch.ones(2, 3, device=DEVICE)
    return windows(zeros, ones, ones.bool(), {"repeat": ones})


@pytest.mark.parametrize("make", [hierarchy, profile, friends], ids=["hierarchy", "tag_profile", "friends"])
def test_encoders(make):
    encoder = make()
    for module in (encoder, *encoder.shared.values()):
        module.to(DEVICE).train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        out = encoder(torch.zeros(2, 3, dtype=torch.int64, device=DEVICE))
        assert out.shape == (2, 3, encoder.out_dim)
        out.sum().backward()


@pytest.mark.parametrize("name", ["scale_shift", "rotation", "kronecker"])
def test_adapters(name):
    component = load_host().component("adapter", name)
    bank = component.build(component.config() if component.config else None, d_model=16, n_scenarios=3).to(DEVICE)
    with FakeTensorMode(allow_non_fake_inputs=True):
        index = torch.zeros(4, dtype=torch.int64, device=DEVICE)
        bank(torch.randn(4, 16, device=DEVICE), Routing(index_N=index)).sum().backward()


@pytest.mark.parametrize(
    "loss",
    [
        ClassWeightedLoss(ClassWeightedConfig()),
        ListenerConfidenceLoss(ListenerConfidenceConfig()),
        ActivityDebiasedLoss(ActivityDebiasedConfig()),
    ],
    ids=lambda loss: type(loss).__name__,
)
def test_losses(loss):
    with FakeTensorMode(allow_non_fake_inputs=True):
        positive, candidates = torch.randn(2, 3, device=DEVICE), torch.randn(2, 3, 5, device=DEVICE)
        assert loss(positive, candidates, steps(), includes_positive=True).shape == (2, 3)


def test_purchase():
    task: PurchaseTask = purchase().to(DEVICE)
    with FakeTensorMode(allow_non_fake_inputs=True):
        vectors = torch.randn(3, 4, device=DEVICE)
        task.loss(torch.randn(2, 3, 4, device=DEVICE), steps(), FixedCatalogue(vectors)).sum().backward()
        assert task.scores(vectors, vectors, torch.arange(3, device=DEVICE), "all").shape == (3, 3)


def test_the_plugins_are_active():
    status = {record.name: record.status for record in load_host().records}
    assert {name: status.get(name) for name in OWN} == dict.fromkeys(OWN, "active")
