"""What must hold for every fusion: shape, closed gates, independence, checkpoint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from polyscene.testing.state import DEVICE, assert_same, randomize, round_trip, step_without_values
from polyscene.testing.suite import ComponentSuite

DIMS = {"text-text": 12, "item_id-id": 16}


class FusionSuite(ComponentSuite):
    """Tests of a fusion of two fields, of widths 12 and 16, into vectors of width 16.

    Example:
        >>> from polyscene import Component
        >>> from polyscene.features.concat import ConcatFusion
        >>> class TestConcat(FusionSuite):
        ...     component = Component("fusion", "concat", ConcatFusion)
    """

    kind = "fusion"
    d_model: ClassVar[int] = 16

    def fusion(self, dims: Mapping[str, int] = DIMS, *, trained: bool = True) -> nn.Module:
        """A fusion in eval mode, as it starts or as it may be after training."""
        torch.manual_seed(0)
        fusion: nn.Module = self.made(dims=dict(dims), d_model=self.d_model)
        if trained:
            randomize(fusion)
        return fusion.eval()

    def fields(self, *shape: int) -> dict[str, Tensor]:
        """Random vectors of both fields."""
        generator = torch.Generator().manual_seed(0)
        return {name: torch.randn(*shape, dim, generator=generator) for name, dim in DIMS.items()}

    @pytest.mark.parametrize("shape", [(5,), (2, 3), ()], ids=str)
    def test_result_has_the_models_width(self, shape: tuple[int, ...]) -> None:
        assert self.fusion()(self.fields(*shape)).shape == (*shape, self.d_model)

    def test_a_field_of_zeros_leaves_the_others_as_they_were(self) -> None:
        smaller, larger = self.fusion(), self.fusion({**DIMS, "facts-text": 7})
        kept = larger.load_state_dict(smaller.state_dict(), strict=False)
        assert not kept.unexpected_keys, "parameters of a field must not depend on the other fields"
        result = larger({**self.fields(5), "facts-text": torch.zeros(5, 7)})
        why = "a new field of zeros changes the result: give fields neither biases nor a share of a softmax"
        assert_same(result, smaller(self.fields(5)), why, rtol=0)
        opened = larger({**self.fields(5), "facts-text": torch.ones(5, 7)})
        assert not torch.allclose(opened, result), "the new field is not read"

    def test_a_row_does_not_depend_on_the_other_rows(self) -> None:
        fusion, together = self.fusion(), self.fields(6)
        alone = fusion({name: field[2:3] for name, field in together.items()})
        assert_same(alone, fusion(together)[2:3], "a row's vector changes with the rows beside it")

    def test_every_field_is_read(self) -> None:
        fusion = self.fusion()
        for name in DIMS:
            changed = self.fields(5) | {name: self.fields(5)[name] + 1}
            assert not torch.allclose(fusion(changed), fusion(self.fields(5))), f"field {name} is not read"

    def test_round_trip_is_bit_equal(self, tmp_path: Path) -> None:
        fusion, other = self.fusion(), self.fusion(trained=False)
        round_trip(fusion, other, tmp_path / "fusion.safetensors")
        assert torch.equal(other(self.fields(5)), fusion(self.fields(5))), "a checkpoint does not hold all of it"

    def test_a_step_waits_for_no_device(self) -> None:
        fields = {name: torch.randn(5, dim, device=DEVICE) for name, dim in DIMS.items()}
        step_without_values(self.fusion(trained=False).to(DEVICE), fields)
