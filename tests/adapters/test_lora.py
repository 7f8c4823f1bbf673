"""Low-rank updates against peft's own layers, and merged against unmerged."""

from __future__ import annotations

import peft
import pytest
import torch
from torch import nn
from torch.nn.functional import gelu

from polyscene.adapters.bank import Routing
from polyscene.adapters.lora import Lora, LoraConfig
from polyscene.errors import ConfigError
from polyscene.testing.state import randomize

D, K, RANK = 8, 3, 2
INDEX = torch.tensor([2, 0, 1, 0, 2])
H = torch.randn(5, D, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


class Plain(nn.Module):
    """The shared network alone, as plain layers for peft to find."""

    def __init__(self, bank: Lora) -> None:
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(D, 12).double(), nn.Linear(12, D).double()
        self.fc1.load_state_dict(bank.fc1.shared.state_dict())
        self.fc2.load_state_dict(bank.fc2.shared.state_dict())

    def forward(self, h_Nd):
        return h_Nd + self.fc2(gelu(self.fc1(h_Nd)))


@pytest.fixture
def bank():
    made = Lora(LoraConfig(rank=RANK, alpha=5.0, hidden=12), D, K).double()
    randomize(made)
    return made


def test_each_scenario_equals_peft_with_its_matrices(bank):
    options = peft.LoraConfig(r=RANK, lora_alpha=5, target_modules=["fc1", "fc2"])
    for k in range(K):
        plain = peft.get_peft_model(Plain(bank), options).double()
        matrices = {
            f"base_model.model.{name}.lora_{letter}.weight": matrix_K[k]
            for name, layer in (("fc1", bank.fc1), ("fc2", bank.fc2))
            for letter, matrix_K in (("A", layer.a_Kri), ("B", layer.b_Kor))
        }
        # peft checks names and shapes: ours are its.
        loaded = peft.set_peft_model_state_dict(plain, matrices)
        assert not loaded.unexpected_keys
        own = bank(H, Routing(index_N=torch.full((5,), k)))
        torch.testing.assert_close(own, plain(H), rtol=1e-9, atol=1e-9)
        merged = plain.merge_and_unload()
        torch.testing.assert_close(bank.fc1.merged(k).weight, merged.fc1.weight, rtol=1e-9, atol=1e-9)


def test_merged_equals_unmerged(bank):
    unmerged = bank(H, Routing(index_N=INDEX))
    for row, k in enumerate(INDEX.tolist()):
        merged = H[row] + bank.fc2.merged(k)(gelu(bank.fc1.merged(k)(H[row])))
        torch.testing.assert_close(unmerged[row], merged, rtol=1e-9, atol=1e-9)


def test_a_scenario_owns_its_updates_and_begins_as_the_shared_network(bank):
    assert bank.parameters_per_scenario() == 2 * RANK * (D + 12)
    assert set(bank.shared_parameters()) == {f"fc{n}.shared.{name}" for n in (1, 2) for name in ("weight", "bias")}
    bank.grow()
    with torch.no_grad():
        fresh = bank(H, Routing(index_N=torch.full((5,), K)))
        torch.testing.assert_close(fresh, Plain(bank)(H), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("options", [{"rank": 0}, {"alpha": 0.0}, {"hidden": -1}])
def test_options_are_checked(options):
    with pytest.raises(ConfigError, match="use "):
        LoraConfig(**options)
