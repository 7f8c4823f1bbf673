"""Domains of a scenario in one model: what they share is one, what they own is apart, and runs find it again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from polyscene.adapters.bank import Routing
from polyscene.data.phases import Phase
from polyscene.data.sampling import RowSampler, step_generator
from polyscene.data.windows import Windows, windows_of_rows
from polyscene.errors import ConfigError, DataError
from polyscene.evaluation.models import evaluate_model
from polyscene.model import PolysceneModel
from polyscene.report import read_metrics
from polyscene.training.assembly import build_model
from polyscene.training.checkpoint import unique_state
from polyscene.training.loading import Loaded
from polyscene.training.restore import restore
from polyscene.training.run import train
from tests.domains import AGES, GROUPS, domain_config, domain_host, domain_model

YOUNG, OLDER = "shown-young", "shown-older"
DECISIONS = ("precision", "recall", "f1", "balanced_accuracy")


def batch_of(loaded: Loaded, count: int = 16) -> dict[str, Windows]:
    return {
        name: RowSampler(one.events, seed=0).draw(count, step_generator(0, 0, "cpu"))
        for name, one in loaded.scenarios.items()
    }


@pytest.fixture(scope="module")
def by_age() -> tuple[PolysceneModel, Loaded, Any]:
    return domain_model("adapter=none", shown={"domains": AGES})


def test_domains_by_users_share_encoders_and_the_task(by_age: tuple[PolysceneModel, Loaded, Any]) -> None:
    model, loaded, _ = by_age
    assert list(loaded.scenarios) == model.names == [YOUNG, OLDER]
    assert model.items[YOUNG] is model.items[OLDER]
    assert model.users[YOUNG] is model.users[OLDER]
    assert model.main_task(YOUNG) is model.main_task(OLDER)
    names = list(unique_state(model))
    assert not [name for name in names if OLDER in name]
    assert sum(name.endswith("bias_N") for name in names) == 1


def test_without_an_adapter_domains_are_one_function(by_age: tuple[PolysceneModel, Loaded, Any]) -> None:
    """The same rows asked as one domain or as the other get the same loss, bit by bit."""
    model, loaded, _ = by_age
    model.eval()
    windows = batch_of(loaded)[YOUNG]
    losses = model({YOUNG: windows, OLDER: windows})
    assert torch.equal(losses[YOUNG]["click"], losses[OLDER]["click"])


def test_encoders_are_fitted_on_the_training_rows_of_the_domains_in_the_model() -> None:
    one, other = domain_model(shown={"domains": AGES})[:2]
    ids = one.shared.modules_by_key["id-shown-2f-users"]
    trained = {label for label, position in ids.position.items() if ids.count_M[position]}  # type: ignore[union-attr, index]
    of_domains = [
        set(scenario.tables.users["user_id"].iloc[scenario.events.rows([Phase.TRAIN])[0]])
        for scenario in other.scenarios.values()
    ]
    assert all(of_domains)
    assert not of_domains[0] & of_domains[1]
    assert trained == of_domains[0] | of_domains[1]
    _, loaded, session = domain_model(shown={"domains": AGES})
    young, _ = build_model(session, replace(loaded, scenarios={YOUNG: loaded.scenarios[YOUNG]}))
    ids = young.shared.modules_by_key["id-shown-2f-users"]
    assert {label for label, at in ids.position.items() if ids.count_M[at]} == of_domains[0]  # type: ignore[union-attr, index]


def test_domains_partition_the_rows(by_age: tuple[PolysceneModel, Loaded, Any]) -> None:
    _, loaded, _ = by_age
    parts = list(loaded.scenarios.values())
    whole = parts[0].whole
    assert whole is not None
    ages = whole.tables.users["age"].to_numpy()
    for one, wanted in zip(parts, ([0], [10, 20]), strict=True):
        assert one.part is not None
        assert set(ages[one.events.rows(Phase)[0]]) == set(wanted)
        # The part's events are those rows of the whole's, in order.
        for name in ("item_R", "value_R", "time_R"):
            assert torch.equal(getattr(one.events, name), getattr(whole.events, name)[one.part.event_R])
        assert [one.split.count(phase) for phase in Phase] == [len(one.events.rows([p])[0]) for p in Phase]
    assert sum(len(one.events.item_R) for one in parts) == len(whole.events.item_R)


def test_domains_by_items_have_their_own_items_and_the_vectors_of_the_whole() -> None:
    model, loaded, _ = domain_model("adapter=none", bought={"domains": GROUPS})
    assert model.names == ["bought-dry_goods", "bought-meat", "bought-other"]
    whole = next(iter(loaded.scenarios.values())).whole
    assert whole is not None
    plain, _ = build_model(domain_model(bought={})[2], replace(loaded, scenarios={"bought": whole}))
    state = unique_state(model)
    own = {name: value for name, value in state.items() if ".meat" not in name}
    assert sum("vector_Md" in name for name in own) == sum("vector_Md" in name for name in unique_state(plain))
    model.eval()
    rows = {name: scenario.tables.items["item_id"].tolist() for name, scenario in loaded.scenarios.items()}
    assert sorted(label for labels in rows.values() for label in labels) == sorted(whole.tables.items["item_id"])
    everything = model.items["bought-meat"].encoder(torch.arange(len(whole.tables.items)))  # type: ignore[union-attr, operator]
    place = whole.tables.items["item_id"].tolist().index
    for name, labels in rows.items():
        vectors = model.items[name](torch.arange(len(labels)))
        assert torch.equal(vectors, everything[[place(label) for label in labels]])
    # Steps of a history find their own columns, though rows are numbered within the domain.
    one = loaded.scenarios["bought-other"]
    assert one.part is not None
    steps = model.events["bought-other"](torch.arange(len(one.events.item_R)))
    of_whole = model.events["bought-other"].encoder(one.part.event_R)  # type: ignore[union-attr, operator]
    assert torch.equal(steps, of_whole)


@pytest.mark.parametrize("adapter", ["gate", "bottleneck"])
def test_pairs_go_through_the_adapter_of_their_own_domain(adapter: str) -> None:
    model, loaded, _ = domain_model(f"adapter={adapter}", "model.adapt=[pairs]", shown={"domains": AGES})
    assert model.pair_bank is not None
    assert not model.user_bank.scenario_parameters()
    with torch.no_grad():
        for parameter in model.pair_bank.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    batch = batch_of(loaded)
    model(batch)[OLDER]["click"].sum().backward()
    for name, parameter in model.pair_bank.scenario_parameters().items():
        assert parameter.grad is not None, name
        assert parameter.grad[1].abs().sum() > 0, name
        assert torch.equal(parameter.grad[0], torch.zeros_like(parameter[0])), name


@pytest.mark.parametrize("history", ["none", "sample"])
def test_a_row_is_judged_alike_whatever_else_is_in_the_batch(history: str) -> None:
    tasks = [{"name": "click", "options": {"head": "mlp", "history": history}}]
    model, loaded, _ = domain_model("adapter=bottleneck", shown={"domains": AGES, "tasks": tasks})
    model.eval()
    batch = batch_of(loaded)
    losses = model(batch)
    for name, windows in batch.items():
        events = loaded.scenarios[name].events
        alone = windows_of_rows(events, windows.user_B[3:4], windows.row_BT[3:4], windows.valid_BT[3:4])
        torch.testing.assert_close(model({name: alone})[name]["click"], losses[name]["click"][3:4])


def test_the_loss_of_the_engine_is_that_of_the_task_without_an_adapter(
    by_age: tuple[PolysceneModel, Loaded, Any],
) -> None:
    model, loaded, _ = by_age
    model.eval()
    batch = batch_of(loaded)
    for name, windows in batch.items():
        catalogue = model.catalogue(name)
        h_BTd = model.user_states(name, windows, catalogue).unsqueeze(1)
        expected = model.main_task(name).loss(h_BTd, windows, catalogue)
        torch.testing.assert_close(model(batch)[name]["click"], expected)


def test_a_run_reports_each_domain_and_all_and_is_restored(tmp_path: Path) -> None:
    folder = train(domain_config(tmp_path / "run", "adapter=gate", shown={"domains": AGES}), domain_host())
    metrics = read_metrics(folder)
    reported = {(row["scenario"], row["metric"]): row for row in metrics["results"] if row["method"] == "joint"}
    assert {name for name, _ in reported} == {YOUNG, OLDER, "shown"}
    assert {metric for _, metric in reported} == {"auc", "gauc", "log_loss", "ece", *DECISIONS}
    curves = (folder / "metrics.jsonl").read_text(encoding="utf-8")
    assert f'"scenario": "{YOUNG}", "metric": "auc"' in curves
    run = restore(str(folder), domain_host(), root="", data=domain_config(shown={}).data, device="cpu")
    assert run.scenarios_of("joint") == [YOUNG, OLDER]
    [(_, model)] = run.models()
    one = run.loaded.scenarios[OLDER]
    again = evaluate_model(model, run.session.subject(OLDER, one), 5, method="joint", seed=0)
    figures = {row["metric"]: row["value"] for row in again if row["method"] == "joint"}
    assert figures == {metric: reported[OLDER, metric]["value"] for metric in figures}


def test_columns_of_the_config_take_the_place_of_the_declared_ones() -> None:
    columns = {"users": {"id": "id", "age": {"name": "category", "min_rows": 1000}}, "items": {"id": "id"}}
    model, loaded, _ = domain_model(shown={"columns": columns})
    declared = loaded.scenarios["shown"].scenario
    assert [column.encoder_name for column in declared.user_columns] == ["id", "category"]
    assert [column.encoder_name for column in declared.item_columns] == ["id"]
    # No age has so many rows, so all are one.
    same = [name for name in model.state_dict() if name.endswith("vector_Ld")]
    assert [len(model.state_dict()[name]) for name in same] == [1]


def test_mistakes_are_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither users nor items have a column 'agee'"):
        domain_model(shown={"domains": {"column": "agee"}})
    with pytest.raises(DataError, match="domain 'old' has no training row"):
        domain_model(shown={"domains": {"column": "age", "values": {"young": [0], "old": [99]}}})
    with pytest.raises(ConfigError, match="'10' is in 'a' and in 'b'"):
        domain_config(shown={"domains": {"column": "age", "values": {"a": [10], "b": [10]}}})
    with pytest.raises(ConfigError, match="no name for a domain"):
        domain_config(shown={"domains": {"column": "age", "values": {"Young!": [0], "old": [10]}}})
    with pytest.raises(ConfigError, match="'columns' has no table 'user'"):
        domain_config(shown={"columns": {"user": {"id": "id"}}})
    with pytest.raises(ConfigError, match="reads no history and its users have no columns"):
        domain_model(shown={"columns": {"users": {}}})


def test_the_bank_of_pairs_is_told_who_and_what_a_pair_is_about(monkeypatch: pytest.MonkeyPatch) -> None:
    model, loaded, _ = domain_model("adapter=gate", "model.adapt=[pairs]", shown={"domains": AGES})
    assert model.pair_bank is not None
    seen: list[Routing] = []
    plain = model.pair_bank.forward
    monkeypatch.setattr(
        model.pair_bank, "forward", lambda h, routing: (seen.append(routing), plain(h, routing))[1]
    )
    batch = batch_of(loaded)
    model.eval()
    model(batch)
    windows, catalogue = batch[YOUNG], model.catalogue(YOUNG)
    about = model.user_states(YOUNG, windows, catalogue) + catalogue.take(windows.item_BT)[:, 0]
    [routing] = seen
    assert routing.segments == ((0, 0, 16), (1, 16, 32))
    assert routing.personal_Nd is not None
    torch.testing.assert_close(routing.personal_Nd[:16], about)
