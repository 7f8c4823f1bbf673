"""The seed decides everything that is random in a run, and nothing else does."""

from __future__ import annotations

from pathlib import Path

import torch

from polyscene.training.files import read_tensors
from polyscene.training.run import train
from tests.tiny import SHOP, THREE, tiny_config, tiny_host, tiny_session

MODEL = "checkpoints/joint/model.safetensors"
FEW = ("trainer.steps=3", "trainer.eval_every=3")


def test_the_same_seed_gives_the_same_bits_and_another_seed_does_not(tmp_path: Path) -> None:
    torch.manual_seed(123)  # what came before in the process must not matter
    one = train(tiny_config(tmp_path / "one", THREE, *FEW), tiny_host())
    torch.manual_seed(456)
    two = train(tiny_config(tmp_path / "two", THREE, *FEW), tiny_host())
    other = train(tiny_config(tmp_path / "other", THREE, "seed=1", *FEW), tiny_host())
    assert (one / MODEL).read_bytes() == (two / MODEL).read_bytes()
    first, second = read_tensors(one / MODEL), read_tensors(other / MODEL)
    moved = [name for name in first if not torch.equal(first[name], second[name])]
    matrices = [name for name in first if first[name].ndim > 1 and name.endswith("weight")]
    assert set(matrices) - set(moved) == set()
    for name in ("split/shop.safetensors", "split/people.safetensors", "split/facts.safetensors"):
        phases, again = read_tensors(one / name), read_tensors(other / name)
        assert all(torch.equal(phases[key], again[key]) for key in phases | again)


def test_the_split_depends_on_its_own_seed_only() -> None:
    def phases(*overrides: str, split_seed: int = 0) -> list[int]:
        split = {"name": "leave_one_out", "cold_items": 0.1, "seed": split_seed}
        config = tiny_config("", (SHOP,), *overrides, shop={"split": split})
        return tiny_session(config).load().scenarios[SHOP].split.phase_R.tolist()

    assert phases("seed=0") == phases("seed=7")
    assert phases() != phases(split_seed=1)
