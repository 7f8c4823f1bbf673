"""What must hold for every fusion: shape, closed gates, independence, checkpoint."""

from __future__ import annotations

import pytest
import torch

from polyscene.features import COMPONENTS
from tests.invariants.small_world import D_MODEL, default_build, randomize, round_trip

FUSIONS = [component for component in COMPONENTS if component.kind == "fusion"]
DIMS = {"text-text": 12, "item_id-id": 16}

every_fusion = pytest.mark.parametrize("component", FUSIONS, ids=lambda component: component.name)


def build(component, dims, *, trained=True):
    torch.manual_seed(0)
    fusion = default_build(component, dims=dims, d_model=D_MODEL)
    if trained:
        randomize(fusion)
    return fusion.eval()


def fields(*shape):
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(*shape, dim, generator=generator) for name, dim in DIMS.items()}


@every_fusion
@pytest.mark.parametrize("shape", [(5,), (2, 3), ()])
def test_result_has_the_models_width(component, shape):
    assert build(component, DIMS)(fields(*shape)).shape == (*shape, D_MODEL)


@every_fusion
def test_a_field_of_zeros_leaves_the_others_as_they_were(component):
    smaller, larger = build(component, DIMS), build(component, {**DIMS, "facts-text": 7})
    kept = larger.load_state_dict(smaller.state_dict(), strict=False)
    assert not kept.unexpected_keys
    result = larger({**fields(5), "facts-text": torch.zeros(5, 7)})
    torch.testing.assert_close(result, smaller(fields(5)), rtol=0, atol=1e-6)
    opened = larger({**fields(5), "facts-text": torch.ones(5, 7)})
    assert not torch.allclose(opened, result)


@every_fusion
def test_a_row_does_not_depend_on_the_other_rows(component):
    fusion, together = build(component, DIMS), fields(6)
    result = fusion(together)
    alone = fusion({name: field[2:3] for name, field in together.items()})
    torch.testing.assert_close(alone, result[2:3], rtol=1e-5, atol=1e-6)


@every_fusion
def test_every_field_is_read(component):
    fusion = build(component, DIMS)
    for name in DIMS:
        changed = fields(5) | {name: fields(5)[name] + 1}
        assert not torch.allclose(fusion(changed), fusion(fields(5)))


@every_fusion
def test_round_trip_is_bit_equal(component, tmp_path):
    fusion, other = build(component, DIMS), build(component, DIMS, trained=False)
    round_trip(fusion, other, tmp_path / "fusion.safetensors")
    assert torch.equal(other(fields(5)), fusion(fields(5)))
