"""STAR: its formula row by row, and partitioned normalization at its edges."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import batch_norm

from polyscene.adapters.bank import Routing
from polyscene.adapters.partitioned_norm import PartitionedNorm
from polyscene.adapters.star import Star, StarConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

D, K = 4, 3
INDEX = torch.tensor([2, 0, 2, 0, 1, 0])
H = torch.randn(6, D, generator=torch.Generator().manual_seed(0))


def test_formula():
    bank = Star(StarConfig(hidden=5, layers=2, dimensions=2, auxiliary=3), D, K).eval()
    randomize(bank)
    bank.norm.mean_Kd.copy_(torch.randn(K, D))
    bank.norm.var_Kd.copy_(torch.rand(K, D) + 0.5)
    norm, expected = bank.norm, []
    for h, k in zip(H, INDEX, strict=True):
        x = (h - norm.mean_Kd[k]) / (norm.var_Kd[k] + 1e-5).sqrt()
        x = norm.scale_d * norm.scale_Kd[k] * x + norm.shift_d + norm.shift_Kd[k]
        for number, layer in enumerate(bank.layers):
            x = x.relu() if number else x
            x = x @ (layer.shared.weight.T * layer.weight_Kio[k]) + layer.shared.bias + layer.bias_Ko[k]
        auxiliary = bank.auxiliary_out(bank.auxiliary(torch.cat([h, bank.scenario_Ke[k]])).relu())
        expected.append(h + x + auxiliary)
    torch.testing.assert_close(bank(H, Routing(index_N=INDEX)), torch.stack(expected))
    assert {"norm.scale_d", "norm.shift_d", "layers.0.shared.weight"} <= set(bank.shared_parameters())
    assert {"norm.scale_Kd", "layers.2.weight_Kio", "scenario_Ke"} <= set(bank.scenario_parameters())


@pytest.mark.parametrize("soft", [False, True])
def test_settled_statistics_are_those_of_batch_norm_on_each_scenarios_rows(soft):
    norm = PartitionedNorm(D, K, momentum=0.1)
    weights_NK = torch.nn.functional.one_hot(INDEX, K).float()
    norm(H, Routing(weights_NK=weights_NK) if soft else Routing(index_N=INDEX))
    norm.settle()
    for k in (0, 2):
        mean, var = torch.zeros(D), torch.ones(D)
        batch_norm(H[INDEX.eq(k)], mean, var, training=True, momentum=0.1)
        torch.testing.assert_close(norm.mean_Kd[k], mean)
        torch.testing.assert_close(norm.var_Kd[k], var)


def test_all_calls_until_it_settles_normalize_as_in_eval_mode():
    norm = PartitionedNorm(D, K, momentum=0.1)
    norm.mean_Kd.normal_()
    norm.var_Kd.uniform_(0.5, 2)
    known, other = Routing(index_N=INDEX), 3 + 2 * H.flip(0)
    trained = [norm(h_Nd, known) for h_Nd in (H, other)]
    norm.eval()
    torch.testing.assert_close([norm(h_Nd, known) for h_Nd in (H, other)], trained)
    norm.settle()
    assert not torch.allclose(norm(H, known), trained[0])


def test_the_gradient_is_that_of_batch_norm_where_running_statistics_are_the_batchs():
    norm, mine_N = PartitionedNorm(D, K, momentum=1.0), INDEX.eq(0)
    norm(H, Routing(index_N=INDEX))
    norm.settle()
    norm.var_Kd[0] = H[mine_N].var(dim=0, unbiased=False)
    h_Nd, other_Nd, pull_Nd = H.clone().requires_grad_(), H[mine_N].clone().requires_grad_(), torch.randn(3, D)
    z_Nd = norm(h_Nd, Routing(index_N=INDEX))
    (z_Nd[mine_N] * pull_Nd).sum().backward()
    (batch_norm(other_Nd, None, None, training=True) * pull_Nd).sum().backward()
    assert h_Nd.grad is not None
    assert other_Nd.grad is not None
    torch.testing.assert_close(h_Nd.grad[mine_N], other_Nd.grad, rtol=1e-4, atol=1e-5)


def test_a_single_row_takes_running_statistics_and_a_gradient_that_is_finite():
    norm, h_Nd = PartitionedNorm(D, K, momentum=0.1), H.clone().requires_grad_()
    norm.mean_Kd[1], norm.var_Kd[1] = 3.0, 4.0
    z_Nd = norm(h_Nd, Routing(index_N=INDEX))
    norm.settle()
    torch.testing.assert_close(z_Nd[4], (H[4] - 3) / 2, rtol=1e-5, atol=1e-5)
    assert norm.mean_Kd[1].eq(3).all()
    assert norm.var_Kd[1].eq(4).all()
    z_Nd.square().sum().backward()
    assert h_Nd.grad is not None
    assert h_Nd.grad.isfinite().all()


def test_constant_rows_stay_finite():
    norm = PartitionedNorm(D, K, momentum=0.1)
    h_Nd = torch.ones(4, D, requires_grad=True)
    norm(h_Nd, Routing(index_N=torch.zeros(4, dtype=torch.int64))).sum().backward()
    assert h_Nd.grad is not None
    assert h_Nd.grad.isfinite().all()


def test_growing_brings_untouched_statistics():
    bank = Star(StarConfig(), D, K)
    bank(H, Routing(index_N=INDEX))
    bank.settle()
    mean_Kd = bank.norm.mean_Kd.clone()
    assert mean_Kd.any()
    bank.grow()
    assert torch.equal(bank.norm.mean_Kd[:K], mean_Kd)
    assert bank.norm.mean_Kd[K].eq(0).all()
    assert bank.norm.var_Kd[K].eq(1).all()


@pytest.mark.parametrize("options", [{"hidden": 0}, {"momentum": 0.0}, {"momentum": 1.5}])
def test_options_are_checked(options):
    with pytest.raises(ConfigError, match="use "):
        StarConfig(**options)
