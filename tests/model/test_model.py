"""The model as a whole: routing of gradients, independence from the rest of the batch, and bit-equal restoring."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch
from torch import Tensor

from polyscene.data.sampling import MixedSampler, Share, WindowSampler
from polyscene.data.windows import Windows
from polyscene.evaluation.evaluator import model_scorer
from polyscene.evaluation.requests import POPULATIONS, Requests
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.model.histories import histories
from polyscene.training.assembly import build_model
from polyscene.training.checkpoint import save_model, unique_state
from polyscene.training.files import read_json
from polyscene.training.loading import Loaded
from tests.tiny import ADS, ALL, FACTS, LIKES, PEOPLE, SHOP, tiny_config, tiny_model, tiny_session

ADAPTERS = ("none", "id_feature", "gate", "bottleneck")
SEQUENCES = ("mean", "attention", "causal_transformer", "gru")


@pytest.fixture(scope="module")
def built() -> tuple[PolysceneModel, Loaded]:
    """A model whose weights are not where they start, so that no part is the identity by chance."""
    model, loaded, _ = tiny_model(ALL, "adapter=bottleneck")
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return model, loaded


def draw(model: PolysceneModel, loaded: Loaded, names: tuple[str, ...] = ALL) -> dict[str, Windows]:
    samplers = {
        name: WindowSampler(
            loaded.scenarios[name].events,
            loaded.scenarios[name].config.max_history if model.main_task(name).from_history else 1,
        )
        for name in names
    }
    return MixedSampler(samplers, dict.fromkeys(names, 1.0), Share(0.5, 300, len(names)), 0).draw(0)


def losses(model: PolysceneModel, batch: Mapping[str, Windows]) -> dict[str, Tensor]:
    """Losses of all valid steps of each scenario's tasks, with the same random candidates each time."""
    found = {}
    for name, by_task in model(batch).items():
        found[name] = torch.stack([loss[batch[name].valid_BT] for loss in by_task.values()])
    return found


def owner(name: str) -> str:
    """The scenario that a parameter belongs to, empty for shared ones."""
    parts = name.split(".")
    return parts[1] if parts[0] in ("items", "users", "events", "tasks") else ""


@pytest.mark.parametrize("name", ALL)
def test_the_loss_of_one_scenario_moves_no_parameter_of_another(
    name: str, built: tuple[PolysceneModel, Loaded]
) -> None:
    model, loaded = built
    model.train().zero_grad()
    losses(model, draw(model, loaded))[name].sum().backward()
    touched = {key for key, p in model.named_parameters() if p.grad is not None and p.grad.abs().max() > 0}
    assert {owner(key) for key in touched} - {""} == {name}
    for bank in (model.user_bank, model.item_bank):
        for parameter in bank.scenario_parameters().values():
            assert parameter.grad is not None
            moved = [k for k, grad in enumerate(parameter.grad) if grad.abs().max() > 0]
            assert moved == [model.index[name]]


def test_people_share_their_vectors_and_nobody_else_does(built: tuple[PolysceneModel, Loaded]) -> None:
    """Shop and people name one user space; the entities of facts have their own."""
    model, loaded = built
    spaces: dict[str, set[str]] = {}
    for name in (SHOP, PEOPLE, FACTS):
        model.zero_grad()
        losses(model.train(), draw(model, loaded))[name].sum().backward()
        spaces[name] = {
            key for key, p in model.shared.named_parameters() if p.grad is not None and p.grad.abs().max() > 0
        }
    assert spaces[SHOP] & spaces[PEOPLE]
    assert not spaces[FACTS] & (spaces[SHOP] | spaces[PEOPLE])


@pytest.mark.parametrize("sequence", SEQUENCES)
@pytest.mark.parametrize("name", [SHOP, LIKES, FACTS, ADS])
def test_losses_do_not_depend_on_the_other_scenarios_of_the_batch(name: str, sequence: str) -> None:
    """Not for PEOPLE, whose negatives are drawn: the random numbers of a step are those of the whole batch."""
    model, loaded, _ = tiny_model(ALL, f"sequence={sequence}", "adapter=bottleneck")
    batch = draw(model.eval(), loaded)
    together, alone = losses(model, batch)[name], losses(model, {name: batch[name]})[name]
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ALL)
def test_scores_of_a_user_do_not_depend_on_other_users(name: str, built: tuple[PolysceneModel, Loaded]) -> None:
    model, loaded = built
    model.eval()
    one = loaded.scenarios[name]
    subject = Subject(name, one.scenario, one.events, from_history=model.main_task(name).from_history, protocol="")
    view = one.scenario.views[0]
    scorer = model_scorer(model, subject, one.config.max_history)
    requests = next(subject.requests(POPULATIONS[0], view))
    with torch.inference_mode():
        scores = scorer(requests, view)
        for row in (0, len(requests.user_B) - 1):
            chosen = slice(row, row + 1)
            single = Requests(
                requests.user_B[chosen],
                requests.start_B[chosen],
                requests.stop_B[chosen],
                requests.targets,
                requests.masked,
            )
            torch.testing.assert_close(scorer(single, view)[0], scores[row], rtol=1e-4, atol=1e-5)


def test_a_state_before_a_step_is_the_state_after_the_history_so_far(built: tuple[PolysceneModel, Loaded]) -> None:
    """What is trained (states before each step of a window) is what is served (the state after the past)."""
    model, loaded = built
    model.eval()
    batch = draw(model, loaded, (SHOP,))[SHOP]
    catalogue = model.catalogue(SHOP)
    with torch.no_grad():
        raw, own = histories(model, {SHOP: batch}, {SHOP: catalogue})
        before = model._adapted(raw, own)[SHOP]
        for length in (0, 1, 3):
            valid = batch.valid_BT & (torch.arange(batch.valid_BT.shape[1]) < length)
            cut = Windows(**{**vars(batch), "valid_BT": valid})
            rows = batch.length_B >= length
            served = model.user_states(SHOP, cut, catalogue)
            torch.testing.assert_close(served[rows], before[rows, length], rtol=1e-4, atol=1e-5)


def test_unordered_histories_are_sets(built: tuple[PolysceneModel, Loaded]) -> None:
    """The state after a past without times does not depend on how its rows happen to lie."""
    model, loaded = built
    model.eval()
    batch = draw(model, loaded, (LIKES,))[LIKES]
    assert not batch.ordered
    full = batch.valid_BT.all(dim=1)
    backwards = Windows(
        **{
            **vars(batch),
            **{name: getattr(batch, name).flip(1) for name in ("row_BT", "item_BT", "value_BT", "time_BT")},
        }
    )
    with torch.no_grad():
        one, other = (model.user_states(LIKES, w, model.catalogue(LIKES)) for w in (batch, backwards))
    torch.testing.assert_close(one[full], other[full], rtol=1e-4, atol=1e-5)


def test_evaluation_moves_no_state(built: tuple[PolysceneModel, Loaded]) -> None:
    model, loaded = built
    before = {name: tensor.detach().clone() for name, tensor in unique_state(model.eval()).items()}
    batch = draw(model, loaded)
    with torch.no_grad():
        torch.manual_seed(0)
        first = losses(model, batch)
        torch.manual_seed(0)
        second = losses(model, batch)
    assert all(torch.equal(first[name], second[name]) for name in ALL)
    assert all(torch.equal(before[name], tensor) for name, tensor in unique_state(model).items())


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_large_catalogues_give_the_same_losses(adapter: str) -> None:
    """Encoding what a step touches is encoding everything, for all but the time it takes."""
    model, loaded, _ = tiny_model((SHOP, FACTS), f"adapter={adapter}")
    batch = draw(model.eval(), loaded, (SHOP, FACTS))
    whole = losses(model, batch)
    model.whole_catalogue_items = 0
    for name, found in losses(model, batch).items():
        torch.testing.assert_close(found, whole[name], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_a_restored_model_scores_bit_equal(adapter: str, tmp_path: Path) -> None:
    config = tiny_config("", ALL, f"adapter={adapter}")
    session = tiny_session(config)
    loaded = session.load()
    model, learned = build_model(session, loaded)
    torch.manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    save_model(tmp_path, model, learned)
    config.seed = 99
    fitted, weights = read_json(tmp_path / "model.json"), tmp_path / "model.safetensors"
    again, _ = build_model(tiny_session(config), loaded, fitted=fitted, weights=weights)
    for name in ALL:
        one = loaded.scenarios[name]
        subject = Subject(name, one.scenario, one.events, model.main_task(name).from_history, "")
        view = one.scenario.views[0]
        requests = next(subject.requests(POPULATIONS[0], view))
        with torch.inference_mode():
            scores = [
                model_scorer(part.eval(), subject, one.config.max_history)(requests, view)
                for part in (model, again)
            ]
        assert torch.equal(*scores), name


def test_growing_the_banks_leaves_all_losses_bit_equal() -> None:
    model, loaded, _ = tiny_model(ALL, "adapter=bottleneck")
    batch = draw(model.eval(), loaded)
    torch.manual_seed(0)
    before = losses(model, batch)
    model.user_bank.grow()
    model.item_bank.grow()
    torch.manual_seed(0)
    after = losses(model, batch)
    assert all(torch.equal(before[name], after[name]) for name in ALL)


@pytest.mark.parametrize("adapter", ["bottleneck", "star"])
def test_without_dropout_a_pass_in_training_computes_what_eval_mode_does(adapter: str) -> None:
    """A bank that normalized each call by its own rows would tell targets from candidates, in training alone."""
    model, loaded, _ = tiny_model(ALL, f"adapter={adapter}", "model.content_dropout=0", "sequence=mean")
    batch = draw(model, loaded)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    for _ in range(3):  # what is counted leaves its start
        losses(model.train(), batch)
    found = []
    for training in (False, True):
        torch.manual_seed(0)  # the same candidates
        found.append(losses(model.train(training), batch))
    for name in ALL:
        torch.testing.assert_close(found[1][name], found[0][name], rtol=1e-4, atol=1e-5)
