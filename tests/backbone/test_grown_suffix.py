"""A scenario with texts added to a model whose backbone holds an adapter for each scenario."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from polyscene.backbone import BackboneConfig, Suffix
from polyscene.data.columns import Text
from tests.tiny import FACTS, LIKES, SHOP, tiny_config, tiny_session
from tests.training.adapt.test_growth import grow, outputs, trained


@pytest.mark.parametrize("peft", ["lora"])
def test_others_texts_are_read_as_before_bit_for_bit(tiny: Path, tmp_path: Path, peft: str) -> None:
    whole = tiny_config("", (SHOP, FACTS, LIKES))
    whole.data.cache = str(tmp_path)
    whole.backbone = BackboneConfig(
        model=str(tiny), dtype="float32", tune="suffix", suffix_layers=1, max_len=8, peft=peft
    )
    everything = tiny_session(whole).load()
    scenarios = {
        name: replace(one, scenario=replace(one.scenario, item_columns=(Text(), *one.scenario.item_columns)))
        if name != FACTS
        else one
        for name, one in everything.scenarios.items()
    }
    everything = replace(everything, scenarios=scenarios)
    base = replace(whole, scenario={name: whole.scenario[name] for name in (SHOP, FACTS)})
    model, start = trained(base, everything)
    before = {name: outputs(model, everything, name) for name in (SHOP, FACTS)}
    fresh = len(next(m for m in model.modules() if isinstance(m, Suffix)).scenarios)

    alone, after, model = grow(start, replace(whole, adapted=[LIKES]), everything, LIKES)
    suffix = next(m for m in model.modules() if isinstance(m, Suffix))
    assert (fresh, suffix.scenarios) == (1, (SHOP, LIKES))
    assert all(torch.equal(outputs(model, everything, name), value) for name, value in before.items())
    assert torch.equal(outputs(alone, everything, LIKES), outputs(model, everything, LIKES))
    # The new adapter began without effect, as its second matrix is 0, and has learned.
    learned = {key: tensor for key, tensor in after.state.items() if "lora_B" in key}
    assert learned
    assert all(tensor[1].any() for tensor in learned.values())
    for key, tensor in learned.items():
        assert torch.equal(tensor[0], start.state[key][0]), key
