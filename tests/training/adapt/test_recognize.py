"""The router's place for a new scenario: fitted to a few rows, while others keep their logits bit for bit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from polyscene.config.adapt import AdaptConfig, LearnConfig
from polyscene.config.schema import DataConfig
from polyscene.routing.recognition import Recognition, RecognitionConfig
from polyscene.training.adapt.recognize import fit_place
from polyscene.training.adapt.run import adapt
from polyscene.training.remembered import read_remembered, router_rows
from polyscene.training.restore import restore
from polyscene.training.run import train
from tests.tiny import LIKES, PEOPLE, SHOP, tiny_config, tiny_host, tiny_session

WIDTH, KNOWN = 16, 2


def rows_around(center: int, count: int, seed: int) -> torch.Tensor:
    """Rows of a scenario: noise around its own point."""
    point = torch.randn(WIDTH, generator=torch.Generator().manual_seed(100 + center))
    return point + 0.7 * torch.randn(count, WIDTH, generator=torch.Generator().manual_seed(seed))


def grown_router() -> Recognition:
    """A router that knows two scenarios, with a place for a third."""
    torch.manual_seed(0)
    router = Recognition(RecognitionConfig(), WIDTH, KNOWN)
    optimizer = torch.optim.Adam(router.parameters(), lr=0.01)
    for step in range(60):
        optimizer.zero_grad()
        torch.stack([router.loss(rows_around(k, 32, step), k).mean() for k in range(KNOWN)]).mean().backward()
        optimizer.step()
    router.grow()
    return router.eval()


@pytest.mark.parametrize("shots", [4, 16])
def test_a_few_rows_are_enough_and_others_keep_their_logits(shots: int) -> None:
    router = grown_router()
    held = {k: rows_around(k, 200, 1_000) for k in range(KNOWN + 1)}
    before = {k: router(x)[:, :KNOWN].clone() for k, x in held.items()}
    shared = {name: p.clone() for name, p in router.hidden.named_parameters()}
    rows = {k: rows_around(k, 256 if k < KNOWN else shots, 2_000 + k) for k in held}
    fit_place(router, KNOWN, rows)
    for k, x in held.items():
        assert torch.equal(router(x)[:, :KNOWN], before[k])
        # No scenario pays for the other: many rows of one do not outweigh the few of another.
        assert router.probabilities(x).argmax(1).eq(k).float().mean() > 0.8, k
    assert all(torch.equal(p, shared[name]) for name, p in router.hidden.named_parameters())
    assert router.seen_K.tolist() == [True] * (KNOWN + 1)


def test_an_adapted_run_recognizes_its_scenario_in_rows_that_were_held_back(tmp_path: Path) -> None:
    base = train(
        tiny_config(tmp_path / "base", (SHOP, PEOPLE), "router=recognition", "trainer.steps=10"), tiny_host()
    )

    def command(shots: int) -> Path:
        return adapt(
            AdaptConfig(
                run=str(base),
                scenario={LIKES: {}},
                shots=[shots],
                controls=[],
                threads=1,
                learn=LearnConfig(steps=2),
                into=str(tmp_path / str(shots)),
            ),
            tiny_host(),
        )

    run = command(16)
    folder = run / "checkpoints" / "joint"
    assert set(read_remembered(base / "checkpoints" / "joint")) == {SHOP, PEOPLE}
    remembered = read_remembered(folder)
    assert set(remembered) == {SHOP, PEOPLE, LIKES}
    assert len(remembered[LIKES]) <= 16 < len(remembered[SHOP])

    restored = restore(str(run), tiny_host(), root="", data=DataConfig(), device="cpu")
    model = restored.model("joint")
    old = restore(str(base), tiny_host(), root="", data=DataConfig(), device="cpu").model("joint")
    assert model.router is not None
    assert old.router is not None
    for x_Md in remembered.values():
        assert torch.equal(model.router(x_Md)[:, :KNOWN], old.router(x_Md))

    # All training rows of the scenario, of which 16 were shots, as another data set would hold them.
    everything = tiny_session(tiny_config("", (LIKES,))).load().scenarios[LIKES]
    held_Md = router_rows(model, everything, seed=9)
    with torch.inference_mode():
        p_MK = model.router.probabilities(held_Md)
    assert len(held_Md) > 100
    assert p_MK.argmax(1).eq(2).float().mean() > 0.5  # chance is a third

    none = restore(str(command(0)), tiny_host(), root="", data=DataConfig(), device="cpu").model("joint")
    assert none.router is not None
    assert none.router.seen_K.tolist() == [True, True, False]
