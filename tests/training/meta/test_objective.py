"""Meta-learning in the loop: it learns, resumes, keeps its rates, waits for nothing, and says what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.data.windows import Windows
from polyscene.errors import CheckpointError, ConfigError
from polyscene.model import PolysceneModel
from polyscene.training import fit
from polyscene.training.checkpoint import SERVED
from polyscene.training.files import read_tensors
from polyscene.training.meta.config import NAMES, MetaConfig
from polyscene.training.meta.inner import FastParameters
from polyscene.training.meta.learner import Learner
from polyscene.training.meta.recognition import RouterTasks
from polyscene.training.meta.serving import adapt_fast, fast_scores, installed, restore_learner
from polyscene.training.meta.tasks import SceneTasks
from polyscene.training.objective import ObjectiveContext
from tests.tiny import ADS, FACTS, LIKES, SHOP, tiny_config, tiny_fitting
from tests.training.meta.scenes import objective

META = ["strategy=meta", "strategy.support=3", "strategy.query=2", "strategy.tasks=2", "strategy.inner_steps=1"]


class Stop(BaseException):
    """Stands for a kill."""


def test_a_run_goes_on_as_if_it_had_never_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = ["strategy.algorithm=metasgd", "router=recognition", "trainer.steps=4", "trainer.eval_every=2"]
    config = tiny_config("", (SHOP, ADS), *META, *options)
    whole = tiny_fitting(config, tmp_path / "whole")
    whole.run()
    save = fit.save_training

    def stopping(*arguments: object) -> None:
        save(*arguments)  # type: ignore[arg-type]
        raise Stop

    with monkeypatch.context() as patch:
        patch.setattr(fit, "save_training", stopping)
        with pytest.raises(Stop):
            tiny_fitting(config, tmp_path / "stopped").run()
    tiny_fitting(config, tmp_path / "stopped").run()
    for name in ("training-4.safetensors", SERVED, "model.safetensors"):
        one, other = (read_tensors(tmp_path / run / name) for run in ("whole", "stopped"))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[key], other[key]) for key in one), name
    # What was learned beside the model comes back with it, and is not what it began as.
    context = ObjectiveContext(config, whole.model, whole.scenarios)
    learner = restore_learner(tmp_path / "whole", context, config.strategy.options)
    saved = read_tensors(tmp_path / "whole" / SERVED)
    assert {key: tensor.tolist() for key, tensor in learner.state_dict().items()} == {
        key: tensor.tolist() for key, tensor in saved.items()
    }
    assert any(not torch.equal(tensor, torch.full_like(tensor, 0.1)) for tensor in saved.values())
    training = json.loads((tmp_path / "whole" / "training.json").read_text())
    assert training["step"] == 4


@pytest.mark.parametrize("algorithm", [name for name in NAMES if name not in ("fomaml", "boil")])
def test_a_step_waits_for_nothing(algorithm: str) -> None:
    found, model = objective((SHOP, ADS), algorithm=algorithm)
    episodes = {name: found.draw(name, 0) for name in found.samplers}
    model.to("meta").train()
    with FakeTensorMode(allow_non_fake_inputs=True):
        for name, one in episodes.items():
            tasks = SceneTasks(found.learner.scenes[name], moved(one), torch.zeros((), device="meta"))
            start = Learner(found_context(found, model), found.config).algorithm.loss(tasks)
            start.mean().backward()
    assert any(p.grad is not None for p in model.parameters())


def found_context(found, model) -> ObjectiveContext:  # type: ignore[no-untyped-def]
    return ObjectiveContext(found.context.config, model, found.context.scenarios)


def moved(one):  # type: ignore[no-untyped-def]
    windows = one.windows
    tensors = {key: value.to("meta") for key, value in vars(windows).items() if isinstance(value, Tensor)}
    columns = {key: value.to("meta") for key, value in windows.columns.items()}
    device = {"support_BT": one.support_BT.to("meta"), "query_BT": one.query_BT.to("meta")}
    return type(one)(type(windows)(**{**vars(windows), **tensors, "columns": columns}), **device, count=one.count)


def test_a_router_recognizes_a_scenario_from_few_rows() -> None:
    found, model = objective((SHOP, ADS), "router=recognition", support=3)
    episodes = {name: found.draw(name, 0) for name in found.samplers}
    tasks = RouterTasks(model, episodes)
    assert found.recognizes is not None
    losses = found.recognizes.loss(tasks)
    at_start = {key: value.expand(tasks.count, *value.shape) for key, value in tasks.start().items()}
    assert losses.mean() < tasks.query(at_start).mean()
    gradient = torch.autograd.grad(losses.mean(), list(model.router.parameters()))
    assert all(one.abs().sum() > 0 for one in gradient)


@pytest.mark.parametrize("algorithm", ["maml", "cavia", "protonet"])
def test_few_rows_become_scores(algorithm: str) -> None:
    found, model = objective((SHOP,), algorithm=algorithm)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    with torch.inference_mode():  # as evaluation runs
        windows = found.draw(SHOP, 0).windows
        fast = adapt_fast(found.learner, SHOP, windows, len(windows.user_B))
        scores_EN = fast_scores(found.learner, SHOP, fast, windows)
    assert scores_EN.shape == (3, model.n_items[SHOP])
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert not torch.allclose(scores_EN, own_scores(model, windows))
    first: FastParameters = {key: value[:1] for key, value in fast.items()}
    if algorithm == "maml":  # installed in the model, they give the same scores
        with installed(found.learner, SHOP, first):
            torch.testing.assert_close(own_scores(model, windows)[0], scores_EN[0], rtol=1e-4, atol=1e-5)
        assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    else:
        with pytest.raises(ConfigError, match="no parameter of the model"), installed(found.learner, SHOP, first):
            pass


@torch.inference_mode()
def own_scores(model: PolysceneModel, windows: Windows) -> Tensor:
    """Scores ``[B, N]`` as the evaluator asks for them."""
    catalogue, items_N = model.catalogue(SHOP), torch.arange(model.n_items[SHOP])
    x_Nd = catalogue.all()
    return model.scores(SHOP, model.user_states(SHOP, windows, catalogue), x_Nd, items_N, "")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["strategy.algorithm=mam"], r"there is no algorithm 'mam'.*maml"),
        (["strategy.algorithm=protonet", "strategy.support=1"], "fewer shots than protonet has classes"),
        (["strategy.algorithm=cavia", "model.adapt=[items]"], "in front of the users' bank"),
        (["strategy.algorithm=cavia", "strategy.fast=[head]"], "no fast parameters of the model"),
        (["strategy.fast=[haed]"], "'fast' names 'haed'"),
        (["strategy.fast=[suffix]"], "the backbone has no adapters"),
        (["trainer.precision=16-mixed"], "scales losses"),
    ],
)
def test_what_is_wrong_is_said_when_the_config_is_composed(options: list[str], message: str) -> None:
    with pytest.raises(ConfigError, match=f"(?s){message}"):
        tiny_config("", (SHOP,), *META, *options)


def test_what_only_the_model_shows_is_said_before_training() -> None:
    with pytest.raises(ConfigError, match="no parameters in the group 'adapter'"):
        objective((SHOP,), "adapter=none", fast=["adapter"])
    found, _ = objective((LIKES, FACTS), "adapter=none", algorithm="maml")
    assert found.learner.scenes[FACTS].start()  # its own choice of groups passes over what is not there


def test_rates_of_another_model_are_refused(tmp_path: Path) -> None:
    config = tiny_config(
        "", (SHOP,), *META, "strategy.algorithm=metasgd", "trainer.steps=1", "trainer.eval_every=1"
    )
    tiny_fitting(config, tmp_path).run()
    found, model = objective((ADS,), "model.d_model=8", algorithm="metasgd")
    with pytest.raises(CheckpointError, match="belong to another model"):
        restore_learner(tmp_path, found_context(found, model), MetaConfig(algorithm="metasgd"))
