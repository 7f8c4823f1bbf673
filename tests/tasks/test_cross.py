"""The cross task in whole models on a small BERT: what it reads, what it learns, and what it leaves alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch._subclasses.fake_tensor import FakeTensorMode

from polyscene.backbone import Suffix
from polyscene.config.schema import DataConfig
from polyscene.data.phases import Phase
from polyscene.data.windows import Windows, windows_of_rows
from polyscene.errors import ConfigError
from polyscene.evaluation.models import evaluate_model
from polyscene.evaluation.recommend import recommend_from
from polyscene.evaluation.subject import Subject
from polyscene.model import PolysceneModel
from polyscene.report import read_metrics
from polyscene.tasks.cross import CrossTask
from polyscene.tasks.cross_texts import PairTexts
from polyscene.training.assembly import build_model, task_context
from polyscene.training.files import read_json
from polyscene.training.prepare import encode_texts
from polyscene.training.restore import restore
from polyscene.training.run import train
from tests.pair_plugin import BOOKS, FILMS, ITEMS, TEMPLATE, cross, fitted, pair_host, pair_session

BOTH = {FILMS: cross(), BOOKS: cross()}
LORA = {"tune": "suffix", "peft": "lora"}


def batch_of(subjects: dict[str, Subject], rows: int = 6) -> dict[str, Windows]:
    """The first training rows of each scenario."""
    batch = {}
    for name, subject in subjects.items():
        user, row = (torch.from_numpy(array)[:rows] for array in subject.events.rows([Phase.TRAIN]))
        batch[name] = windows_of_rows(
            subject.events, user, row[:, None], torch.ones(len(row), 1, dtype=torch.bool)
        )
    return batch


def shaken(model: PolysceneModel) -> PolysceneModel:
    """Away from the start, where adapters and heads are zero."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))
    return model.eval()


@pytest.fixture
def both(tiny: Path, tmp_path: Path) -> tuple[PolysceneModel, dict[str, Windows]]:
    """A model of two scenarios, each with a LoRA of its own, and a mixed batch."""
    session = pair_session(tiny, tmp_path, "model.content_dropout=0", backbone=LORA, **BOTH)
    loaded = session.load()
    model = build_model(session, loaded)[0]
    return shaken(model), batch_of({name: session.subject(name, one) for name, one in loaded.scenarios.items()})


def test_texts_say_what_was_before_the_row(tiny: Path, tmp_path: Path) -> None:
    session = pair_session(tiny, tmp_path, backbone={"max_len": 60})
    loaded = session.load().scenarios[FILMS]
    made = PairTexts(TEMPLATE, 3.0, 10, task_context(session, FILMS, loaded)).of_rows()
    events, items = loaded.events, loaded.tables.items
    user, row = events.rows([Phase.TRAIN])
    owner, chosen = next(
        (u, r) for u, r in zip(user.tolist(), row.tolist(), strict=True) if r >= events.start_UP[u, 0] + 2
    )
    before = range(int(events.start_UP[owner, 0]), chosen)[-10:][::-1]
    liked = [items.title[int(events.item_R[r])] for r in before if events.value_R[r] > 3]
    disliked = [items.title[int(events.item_R[r])] for r in before if events.value_R[r] <= 3]
    item = items.iloc[int(events.item_R[chosen])]
    expected = TEMPLATE.format(
        age=loaded.tables.users.age[owner],
        liked=", ".join(liked) or "none",
        disliked=", ".join(disliked) or "none",
        title=item.title,
        tags=item.tags.replace("|", ", "),
    )
    assert made[chosen] == expected


def test_a_template_of_declared_columns(tiny: Path, tmp_path: Path) -> None:
    session = pair_session(tiny, tmp_path, **{FILMS: cross(template="")})
    made = PairTexts("", 3.0, 10, task_context(session, FILMS, session.load().scenarios[FILMS])).template.parts
    assert (
        "".join(part if isinstance(part, str) else f"<{part.source}.{part.column}>" for part in made)
        == "[USER] <user.age>; liked: <liked.title>; disliked: <disliked.title> [ITEM] <item.title>"
    )


@pytest.mark.parametrize("backbone", [{}, LORA], ids=["frozen", "lora"])
def test_it_learns_and_comes_back_bit_equal_with_no_forward(
    tiny: Path,
    tmp_path: Path,
    backbone: dict[str, Any],
) -> None:
    session = pair_session(tiny, tmp_path / "cache", "trainer.steps=8", "trainer.eval_every=8", backbone=backbone)
    encode_texts(session, session.load())
    once = session.backbone.forwards
    model, loaded = fitted(session, tmp_path / "fit")
    assert session.backbone.forwards == once > 0, "every text was encoded before training"
    task = model.main_task(FILMS)
    assert isinstance(task, CrossTask)
    assert task.cutoff.item() != 0.0, "settled on validation rows"
    subject = session.subject(FILMS, loaded.scenarios[FILMS])
    rows = evaluate_model(model, subject, 50, method="joint", seed=0)
    figures = {(row["method"], row["metric"]): row["value"] for row in rows}
    assert {"auc", "precision", "recall", "f1", "balanced_accuracy"} <= {m for by, m in figures if by == "joint"}
    assert ("history_share", "auc") in figures

    again = pair_session(tiny, tmp_path / "cache", backbone=backbone)
    data = again.load()
    encode_texts(again, data)
    folder = tmp_path / "fit"
    restored = build_model(
        again, data, fitted=read_json(folder / "model.json"), weights=folder / "model.safetensors"
    )[0].eval()
    assert again.backbone.forwards == 0
    for name, tensor in model.state_dict().items():
        assert torch.equal(restored.state_dict()[name], tensor), name
    same = evaluate_model(restored, again.subject(FILMS, data.scenarios[FILMS]), 50, method="joint", seed=0)
    assert same == rows


def test_training_separates_likes_from_dislikes(tiny: Path, tmp_path: Path) -> None:
    session = pair_session(
        tiny,
        tmp_path,
        *("trainer.steps=150", "trainer.eval_every=150", "trainer.patience=0", "trainer.lr=0.02"),
        **{FILMS: cross(resample=True, hidden=8, dropout=0.0)},
    )
    model, loaded = fitted(session, tmp_path / "fit")
    subject = session.subject(FILMS, loaded.scenarios[FILMS])
    windows = batch_of({FILMS: subject}, rows=80)[FILMS]
    task = model.main_task(FILMS)
    assert isinstance(task, CrossTask)
    with torch.no_grad():
        h = model.user_states(FILMS, windows, model.catalogue(FILMS))
    liked = task.labels(windows.value_BT[:, 0])
    logit = task.logits(h, h, windows.item_BT[:, 0])
    assert logit[liked].mean() > logit[~liked].mean() + 1


def test_a_row_does_not_depend_on_the_others(both: tuple[PolysceneModel, dict[str, Windows]]) -> None:
    model, batch = both
    mixed = model(batch)[FILMS]["cross"]
    for index in range(3):
        one = {
            name: getattr(batch[FILMS], name)[index : index + 1]
            for name in ("user_B", "row_BT", "valid_BT", "item_BT", "value_BT", "time_BT")
        }
        alone = model({FILMS: Windows(**one, columns={}, ordered=True)})[FILMS]["cross"]
        torch.testing.assert_close(alone[0], mixed[index], atol=1e-5, rtol=1e-5)


def test_a_mixed_batch_goes_through_each_scenarios_own_adapter(
    both: tuple[PolysceneModel, dict[str, Windows]],
) -> None:
    model, batch = both
    suffix = next(module for module in model.modules() if isinstance(module, Suffix))
    own = suffix.scenarios.index(FILMS)
    losses = model(batch)
    losses[FILMS]["cross"].sum().backward()
    for name, parameter in suffix.scenario_parameters().items():
        assert parameter.grad is not None, name
        assert parameter.grad[own].any(), name
        assert not parameter.grad[1 - own].any(), name
    assert not any(p.grad is not None and p.grad.any() for p in model.tasks[BOOKS].parameters())
    with torch.no_grad():
        for parameter in suffix.scenario_parameters().values():
            parameter[1 - own] += 1.0
    moved = model(batch)
    assert torch.equal(moved[FILMS]["cross"], losses[FILMS]["cross"])
    assert not torch.equal(moved[BOOKS]["cross"], losses[BOOKS]["cross"])


def test_a_step_does_not_wait_for_the_host(both: tuple[PolysceneModel, dict[str, Windows]]) -> None:
    model, _ = both
    task = model.main_task(FILMS).to("meta")
    model.shared.to("meta")
    row_BT, value_BT = (torch.zeros(4, 1, dtype=kind, device="meta") for kind in (torch.int64, torch.float32))
    windows = Windows(row_BT[:, 0], row_BT, row_BT.bool(), row_BT, value_BT, row_BT, {}, ordered=True)
    with FakeTensorMode(allow_non_fake_inputs=True):
        catalogue = model.catalogue(FILMS)
        loss = task.loss(task.query(windows, catalogue), windows, catalogue).sum()
        loss.backward()
    assert loss.device.type == "meta"


def test_a_run_recommends_by_reading_the_user_with_each_item(tiny: Path, tmp_path: Path) -> None:
    """From ``polyscene train`` to ``recommend``: what the user had last is in the texts that are asked."""
    config = pair_session(tiny, tmp_path, "trainer.steps=2", "controls=[popularity]").config
    config.run.dir = str(tmp_path / "run")
    folder = train(config, pair_host())
    methods = {row["method"] for row in read_metrics(folder)["results"]}
    assert methods == {"joint", "item_rate", "history_share"}, (
        "what ranks items is no control of what judges pairs"
    )
    run = restore(str(folder), pair_host(), root="", data=DataConfig(cache=str(tmp_path)), device="cpu")
    found = recommend_from(run, FILMS, "u3", 4)
    loaded = run.loaded.scenarios[FILMS]
    had = loaded.tables.interactions.query("user_id == 'u3'").item_id.tolist()
    assert len(found.items) == min(4, ITEMS - len(set(had)))
    assert not set(found.items) & set(had)
    assert found.scores == sorted(found.scores, reverse=True)
    made = PairTexts(TEMPLATE, 3.0, 10, task_context(run.session, FILMS, loaded))
    stop = np.array([int(loaded.events.start_UP[3, -1])])
    item = loaded.tables.items.item_id.tolist().index(found.items[0])
    before = run.session.backbone.forwards
    text = made.of_pairs(np.array([3]), np.array([item]), stop)
    assert loaded.tables.items.set_index("item_id").title[had[-1]] in text[0]
    run.session.backbone.embed(text)
    assert run.session.backbone.forwards == before, "this text was asked"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"template": "{age} {titel}"},
            r"(?s)scenario.films: task cross.*'titel' is not one.*did you mean 'title'",
        ),
        (
            {"template": ""},
            r"(?s)scenario.films: the task cross reads texts only.*columns of items: item_id, title, tags",
        ),
    ],
    ids=["unknown column", "no text"],
)
def test_what_a_scenario_cannot_say(tiny: Path, tmp_path: Path, options: dict[str, Any], message: str) -> None:
    scenario = {**cross(**options), "columns": {"items": {"id": "id"}}}
    session = pair_session(tiny, tmp_path, **{FILMS: scenario})
    with pytest.raises(ConfigError, match=message):
        encode_texts(session, session.load())
    assert session.backbone.forwards == 0


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([{"name": "cross", "options": {"template": "{age"}}], r"task 'cross'.*cannot be read"),
        ([{"name": "cross"}, {"name": "ranking"}], r"task 'cross' stands beside others: leave them out"),
        ([{"name": "cross", "options": {"histori": 3}}], r"no option .*histori.*did you mean 'history'"),
    ],
    ids=["template", "beside others", "option"],
)
def test_what_a_config_cannot_say(tiny: Path, tmp_path: Path, tasks: list[Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        pair_session(tiny, tmp_path, **{FILMS: {"tasks": tasks}})
