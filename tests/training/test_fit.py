"""The loop against a plain PyTorch loop, when it stops, what it keeps, and what it says when the loss breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from polyscene.data.sampling import step_generator
from polyscene.errors import PolysceneError
from polyscene.evaluation import validation
from polyscene.evaluation.evaluator import model_scorer, validation_score
from polyscene.training.checkpoint import unique_state
from polyscene.training.files import read_tensors
from polyscene.training.fit import Fitting, Progress, task_weights
from polyscene.training.lifting import keep_out
from polyscene.training.optimizer import build_optimizer, learning_rate, set_learning_rate
from polyscene.training.step import seed_step
from tests.tiny import ALL, PEOPLE, SHOP, THREE, tiny_config, tiny_fitting

Values = list[tuple[int, dict[str, float]]]


def snapshot(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in unique_state(model).items()}


def recorded(values: Values) -> Progress:
    return Progress(metrics=lambda step, found: values.append((step, found)))


def plain_loop(fitting: Fitting) -> None:
    """What the loop does, written down once more without checkpoints, validation, Fabric and balancer."""
    trainer, model = fitting.config.trainer, fitting.model
    optimizer = build_optimizer(model, trainer)
    sampler, weights = fitting._sampler(), task_weights(fitting.scenarios)
    for step in range(trainer.steps):
        set_learning_rate(optimizer, learning_rate(step, trainer))
        optimizer.zero_grad()
        model.train()
        for number in range(step * trainer.accumulate, (step + 1) * trainer.accumulate):
            seed_step(fitting.config.seed, number)
            batch = sampler.draw(number)
            scenario_losses = [
                sum(weights[name][task] * loss[batch[name].valid_BT].mean() for task, loss in tasks.items())
                for name, tasks in model(batch).items()
            ]
            (sum(scenario_losses) / len(scenario_losses) / trainer.accumulate).backward()
        if trainer.clip:
            nn.utils.clip_grad_norm_(model.parameters(), trainer.clip)
        optimizer.step()


@pytest.mark.parametrize(
    "overrides", [(), ("trainer.accumulate=3", "trainer.clip=0")], ids=["plain", "accumulate"]
)
def test_the_loop_is_the_plain_loop(overrides: tuple[str, ...], tmp_path: Path) -> None:
    few = ("trainer.steps=3", "trainer.eval_every=3", *overrides)
    ours = tiny_fitting(tiny_config("", ALL, *few), tmp_path)
    ours.run()
    plain = tiny_fitting(tiny_config("", ALL, *few), tmp_path / "unused")
    start = snapshot(plain.model)
    plain_loop(plain)
    for name, tensor in snapshot(plain.model).items():
        if name.endswith("key_value.bias"):
            continue  # a bias of keys cancels in the softmax: its gradient is rounding, which AdamW scales up
        if name.endswith("click.cutoff"):
            continue  # settled on validation rows, which the plain loop does not look at
        torch.testing.assert_close(tensor, unique_state(ours.model)[name], rtol=1e-4, atol=1e-5, msg=name)
    moved = [name for name in start if not torch.equal(start[name], unique_state(ours.model)[name])]
    assert len(moved) > 0.8 * len(start)


def test_accumulated_gradients_are_those_of_the_larger_batch() -> None:
    """With equally many valid steps in each half the mean over both halves is the mean over the whole."""
    fitting = tiny_fitting(tiny_config("", ("facts",)), Path("unused"))
    model = fitting.model.eval()  # without dropout the halves differ from the whole by rounding only
    whole = fitting._sampler().samplers["facts"].draw(64, step_generator(0, 0, "cpu"))
    halves = [_rows(whole, slice(0, 32)), _rows(whole, slice(32, 64))]

    def gradients(batches: list[object]) -> list[torch.Tensor]:
        model.zero_grad()
        for batch in batches:
            (model({"facts": batch})["facts"]["triple"].mean() / len(batches)).backward()
        return [p.grad.clone() for p in model.parameters() if p.grad is not None]

    for one, other in zip(gradients([whole]), gradients(halves), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-6)


def _rows(windows, rows):
    taken = {name: getattr(windows, name)[rows] for name in ("user_B", "row_BT", "valid_BT", "item_BT")}
    more = {name: getattr(windows, name)[rows] for name in ("value_BT", "time_BT")}
    columns = {name: column[rows] for name, column in windows.columns.items()}
    return type(windows)(**taken, **more, columns=columns, ordered=windows.ordered)


def test_every_trainable_parameter_moves(tmp_path: Path) -> None:
    fitting = tiny_fitting(tiny_config("", ALL, "trainer.steps=6", "trainer.eval_every=6"), tmp_path)
    start = snapshot(fitting.model)
    # No value is missing in the generated tables, so vectors that stand for missing ones are never asked for.
    trainable = {
        name for name, p in fitting.model.named_parameters() if p.requires_grad and not name.endswith("missing_d")
    }
    fitting.run()
    still = [name for name in trainable if torch.equal(start[name], unique_state(fitting.model)[name])]
    assert still == []


def test_it_stops_when_validation_stops_improving_and_keeps_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scores = iter([0.1, 0.3, 0.2, 0.3, 0.9])
    monkeypatch.setattr(validation, "validation_score", lambda *_: {SHOP: next(scores)})
    states: list[dict[str, torch.Tensor]] = []
    fitting = tiny_fitting(tiny_config("", (SHOP,), "trainer.patience=2", "trainer.steps=50"), tmp_path)
    fitting.progress.metrics = lambda *_: states.append(snapshot(fitting.model))
    state = fitting.run()
    assert (state.step, state.best_step, state.best, state.ended) == (20, 10, 0.3, True)
    ended, kept = unique_state(fitting.model), read_tensors(tmp_path / "model.safetensors")
    assert all(torch.equal(kept[name], ended[name]) for name in kept)
    # New items are let in when all is learned.
    differ = [name for name, tensor in ended.items() if not torch.equal(tensor, states[1][name])]
    assert differ == [f"tasks.{SHOP}.ranking.lift"]


def test_patience_zero_never_stops_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(validation, "validation_score", lambda *_: {SHOP: 0.5})
    state = tiny_fitting(tiny_config("", (SHOP,), "trainer.patience=0", "trainer.steps=15"), tmp_path).run()
    assert (state.step, state.best_step, state.ended) == (15, 5, False)


def test_without_validation_rows_the_last_state_is_kept(tmp_path: Path) -> None:
    split = {"split": {"name": "edges", "validation": 0.0, "test": 0.2}}
    config = tiny_config("", (PEOPLE,), "trainer.patience=1", people=split)
    fitting = tiny_fitting(config, tmp_path)
    state = fitting.run()
    assert (state.step, state.best_step, state.ended) == (20, 20, False)
    kept = read_tensors(tmp_path / "model.safetensors")
    assert all(torch.equal(kept[name], tensor) for name, tensor in unique_state(fitting.model).items())


def test_validation_is_told_and_is_that_of_the_model(tmp_path: Path) -> None:
    values: Values = []
    fitting = tiny_fitting(tiny_config("", THREE, "trainer.steps=10"), tmp_path, recorded(values))
    state = fitting.run()
    assert [step for step, _ in values] == [5, 10]
    assert set(values[0][1]) == {f"{name}/{metric}" for name in THREE for metric in ("loss", "ndcg@10")}
    best = dict(values)[state.best_step]
    keep_out(fitting.model, THREE)  # as while it learned
    scorers = {
        name: model_scorer(fitting.model.eval(), subject, fitting.scenarios[name].config.max_history)
        for name, subject in fitting.subjects.items()
    }
    with torch.inference_mode():
        again = validation_score(fitting.subjects, scorers, 1000)
    assert again == {name: best[f"{name}/ndcg@10"] for name in THREE}
    assert state.best == pytest.approx(sum(again.values()) / 3)


def test_a_loss_that_is_not_a_number_is_named(tmp_path: Path) -> None:
    fitting = tiny_fitting(tiny_config("", THREE), tmp_path)
    with torch.no_grad():
        fitting.model.main_task(SHOP).popularity.weight.fill_(float("nan"))
    with pytest.raises(PolysceneError, match=r"the loss of .*shop.* is not a number after step 5") as caught:
        fitting.run()
    assert "trainer.lr" in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_every_loss_falls(tmp_path: Path) -> None:
    values: Values = []
    steps = ("trainer.steps=60", "trainer.eval_every=20", "trainer.patience=0")
    config = tiny_config("", ALL, *steps, "model.content_dropout=0")
    tiny_fitting(config, tmp_path, recorded(values)).run()
    for name in ALL:
        first, *_, last = [found[f"{name}/loss"] for _, found in values]
        assert last < first - 0.01, name
