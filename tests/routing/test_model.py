"""The router in the model: what it learns, what it leaves alone, and states adapted by its weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.adapters.bank import Routing
from polyscene.adapters.none import NoAdapter
from polyscene.errors import ConfigError
from polyscene.evaluation.requests import POPULATIONS
from polyscene.model import PolysceneModel
from polyscene.routing import RECOGNITION
from polyscene.training.checkpoint import load_weights, save_model, unique_state
from polyscene.training.fit import Fitting, task_weights
from polyscene.training.loading import Loaded
from polyscene.training.step import step_losses
from tests.model.test_device_hygiene import DEVICE, fake, step
from tests.model.test_model import draw
from tests.tiny import ADS, ALL, FACTS, LIKES, PEOPLE, SHOP, tiny_config, tiny_fitting, tiny_model

ROUTER = "router=recognition"


@pytest.fixture(scope="module")
def built() -> tuple[PolysceneModel, Loaded]:
    """A model whose adapters differ, with a router."""
    model, loaded, _ = tiny_model(ALL, "adapter=bottleneck", ROUTER)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model.eval(), loaded


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Fitting:
    """A model after a short training, in its last state."""
    few = ("trainer.steps=60", "trainer.eval_every=60")
    fitting = tiny_fitting(tiny_config("", ALL, ROUTER, *few), tmp_path_factory.mktemp("trained"))
    fitting.run()
    fitting.model.eval()
    return fitting


@torch.no_grad()
def recognized(fitting: Fitting, name: str) -> Tensor:
    """``p(k | row)`` at the test requests of a scenario."""
    one, model = fitting.scenarios[name], fitting.model
    subject = fitting.subjects[name]
    length = one.config.max_history if subject.from_history else 1
    return torch.cat(
        [
            model.recognize(name, requests.windows(one.events, length), model.catalogue(name))
            for requests in subject.requests(POPULATIONS[0], one.scenario.views[0])
        ]
    )


@pytest.mark.parametrize("name", ALL)
def test_scenarios_are_recognized(name: str, trained: Fitting) -> None:
    p_NK = recognized(trained, name)
    right = (p_NK.argmax(dim=1) == trained.model.index[name]).float().mean()
    assert right > 0.7, f"accuracy {right:.2f}, where a guess has {1 / len(ALL)}"
    assert p_NK[:, trained.model.index[name]].mean() > 0.5


def one_hot(model: PolysceneModel, name: str) -> Any:
    def known(_: str, windows: Any, __: Any) -> Tensor:
        return torch.eye(len(ALL))[model.index[name]].expand(len(windows.user_B), -1)

    return known


@pytest.mark.parametrize("route", ["hard", "soft", "router"])
@pytest.mark.parametrize("name", ALL)
def test_a_router_that_is_sure_and_right_is_as_good_as_the_label(
    name: str, route: Any, built: tuple[PolysceneModel, Loaded], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, loaded = built
    windows, catalogue = draw(model, loaded, (name,))[name], model.catalogue(name)
    with torch.no_grad():
        by_label = model.user_states(name, windows, catalogue)
        unsure = model.user_states(name, windows, catalogue, model.routing(name, windows, catalogue, route))
        monkeypatch.setattr(model, "recognize", one_hot(model, name))
        routing = model.routing(name, windows, catalogue, route)
        sure = model.user_states(name, windows, catalogue, routing)
    torch.testing.assert_close(sure, by_label, rtol=1e-4, atol=1e-5)
    assert (unsure - by_label).abs().max() > 1e-3, "the router's weights change nothing"


def test_what_the_router_reads_has_seen_no_adapter(built: tuple[PolysceneModel, Loaded]) -> None:
    model, loaded = built
    batch = draw(model, loaded)

    def probabilities() -> dict[str, Tensor]:
        with torch.no_grad():
            return {name: model.recognize(name, batch[name], model.catalogue(name)) for name in ALL}

    before, kept = probabilities(), (model.user_bank, model.item_bank)
    try:
        model.user_bank, model.item_bank = NoAdapter(None, 16, len(ALL)), NoAdapter(None, 16, len(ALL))
        after = probabilities()
    finally:
        model.user_bank, model.item_bank = kept
    for name in ALL:
        assert torch.equal(before[name], after[name]), name


def test_users_of_large_catalogues_are_recognized_alike(built: tuple[PolysceneModel, Loaded]) -> None:
    model, loaded = built
    windows = draw(model, loaded, (SHOP,))[SHOP]
    with torch.no_grad():
        whole = model.recognize(SHOP, windows, model.catalogue(SHOP))
        model.whole_catalogue_items = 0
        touched = model.recognize(SHOP, windows, model.catalogue(SHOP))
        model.whole_catalogue_items = 5_000
    torch.testing.assert_close(touched, whole, rtol=1e-4, atol=1e-5)


def weights_after(tmp_path: Path, *overrides: str) -> dict[str, Tensor]:
    few = ("trainer.steps=4", "trainer.eval_every=4", "trainer.clip=0.1")
    fitting = tiny_fitting(tiny_config("", ALL, *few, *overrides), tmp_path)
    fitting.run()
    return {name: tensor.detach().clone() for name, tensor in unique_state(fitting.model).items()}


@pytest.mark.parametrize("balancer", ["mean", "uncertainty", "pcgrad"])
def test_a_detached_router_leaves_all_else_bit_equal(balancer: str, tmp_path: Path) -> None:
    """Weights after steps with clipped gradients: neither the gradients nor their norm know of the router."""
    without = weights_after(tmp_path / "without", f"balancer={balancer}")
    beside = weights_after(tmp_path / "beside", f"balancer={balancer}", ROUTER)
    assert {name.split(".")[0] for name in beside.keys() - without.keys()} == {"router"}
    changed = [name for name in without if not torch.equal(without[name], beside[name])]
    assert changed == []


def test_a_router_that_is_not_detached_moves_encoders(tmp_path: Path) -> None:
    without = weights_after(tmp_path / "without")
    beside = weights_after(tmp_path / "beside", ROUTER, "router.detach=false")
    assert any(not torch.equal(without[name], beside[name]) for name in without if name.startswith("items."))


@pytest.mark.parametrize("most", [1, 3])
def test_any_subset_of_scenarios_will_do(most: int, tmp_path: Path) -> None:
    few = ("trainer.steps=12", "trainer.eval_every=12", f"trainer.max_scenarios_per_step={most}")
    fitting = tiny_fitting(tiny_config("", ALL, ROUTER, *few), tmp_path)
    fitting.run()
    assert fitting.model.router is not None
    assert fitting.model.router.seen_K.all()
    assert all(p.isfinite().all() for p in fitting.model.router.parameters())


def test_scenarios_count_alike_whatever_their_rows() -> None:
    """The loss of the router is the mean over scenarios of means over their steps."""
    model, loaded, _ = tiny_model(ALL, ROUTER)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.router.parameters():  # type: ignore[union-attr]
            parameter.add_(torch.randn_like(parameter))
    batch = draw(model.eval(), loaded)
    found = step_losses(model, batch, task_weights(loaded.scenarios))
    by_scenario = [model(batch)[name][RECOGNITION][batch[name].valid_BT].mean() for name in ALL]
    torch.testing.assert_close(found[RECOGNITION], sum(by_scenario) / len(ALL))
    assert set(found) == {*ALL, RECOGNITION}
    counts = {int(windows.valid_BT.sum()) for windows in batch.values()}
    assert len(counts) > 1


class Spy(NoAdapter):
    """Remembers the routing that it was given."""

    routing: Routing

    def forward(self, h_Nd: Tensor, routing: Routing) -> Tensor:
        self.routing = routing
        return h_Nd


@pytest.mark.parametrize("route", ["label", "soft"])
def test_the_bank_is_told_who_a_state_is_about(route: Any) -> None:
    model, loaded, _ = tiny_model(ALL, ROUTER)
    model.user_bank = Spy(None, 16, len(ALL))
    batch = draw(model.eval(), loaded)

    def served(name: str) -> None:
        catalogue = model.catalogue(name)
        model.user_states(name, batch[name], catalogue, model.routing(name, batch[name], catalogue, route))

    with torch.no_grad():
        model(batch)
        personal_Nd, start = model.user_bank.routing.personal_Nd, 0
        assert personal_Nd is not None
        for name, windows in batch.items():
            n_rows = windows.item_BT.numel()
            rows_BTd = personal_Nd[start : start + n_rows].view(*windows.item_BT.shape, -1)
            known = name in (SHOP, PEOPLE)  # the others have no columns of users
            expected = model.users[name](windows.user_B) if known else torch.zeros_like(rows_BTd[:, 0])
            torch.testing.assert_close(rows_BTd, expected.unsqueeze(1).expand_as(rows_BTd))
            start += n_rows
        assert start == len(personal_Nd)
        served(SHOP)
        served_Bd = model.user_bank.routing.personal_Nd
        torch.testing.assert_close(served_Bd, model.users[SHOP](batch[SHOP].user_B))
        for name in (LIKES, FACTS, ADS):
            served(name)
            assert model.user_bank.routing.personal_Nd is None


def test_a_checkpoint_holds_the_router(trained: Fitting, tmp_path: Path) -> None:
    save_model(tmp_path, trained.model, trained.learned)
    fresh = tiny_fitting(tiny_config("", ALL, ROUTER, "seed=9"), tmp_path / "unused")
    load_weights(tmp_path / "model.safetensors", fresh.model)
    fresh.model.eval()
    for name in ALL:
        assert torch.equal(recognized(fresh, name), recognized(trained, name)), name


@pytest.mark.parametrize("name", [SHOP, FACTS])
def test_without_a_router_a_label_is_needed(name: str) -> None:
    model, loaded, _ = tiny_model((SHOP, FACTS))
    windows = draw(model, loaded, (name,))[name]
    with pytest.raises(ConfigError, match=r"each row needs its label[\s\S]*router=recognition"):
        model.routing(name, windows, model.catalogue(name), "soft")
    with pytest.raises(ConfigError, match="each row needs its label"):
        model.recognize(name, windows, model.catalogue(name))


@pytest.mark.parametrize("detach", [True, False])
def test_a_step_with_a_router_waits_for_nothing(detach: bool) -> None:
    model, loaded, _ = tiny_model(ALL, ROUTER, f"router.detach={detach}")
    batch = {name: fake(windows) for name, windows in draw(model, loaded).items()}
    model.to(DEVICE).train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        step(model, batch, task_weights(loaded.scenarios))
    without = [name for name, p in model.named_parameters() if p.requires_grad and p.grad is None]
    assert without == []
