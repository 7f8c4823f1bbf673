"""Runs with a router: what they report, how rows without a label are served, and what is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from polyscene.config.compose import prepare_train
from polyscene.config.schema import EvaluateConfig, RecommendConfig
from polyscene.errors import ConfigError
from polyscene.evaluation.recommend import recommend
from polyscene.evaluation.run import evaluate
from polyscene.report import read_metrics
from polyscene.report.summary import blocks, routing_statement, verdict
from polyscene.training.restore import RestoredRun
from polyscene.training.run import train
from polyscene.training.session import Session
from tests.once import Once
from tests.tiny import ALL, FACTS, LIKES, SHOP, THREE, tiny_config, tiny_host
from tests.tiny_plugin import ShopConfig, load_shop
from tests.training.test_resume import MODEL, Stop, assert_same, stop_in

Row = dict[str, Any]
ROUTER = "router=recognition"
FEW = ("trainer.steps=10", "trainer.eval_every=5")
ROUTED = ("joint", "joint_hard", "joint_soft")


@pytest.fixture(scope="module")
def run(once: Once) -> Path:
    """A finished run of all scenarios with a router and single-scenario models, which have none."""
    long = ("trainer.steps=60", "trainer.eval_every=60", "controls=[single,popularity]")
    return once("routed", lambda at: train(tiny_config(at / "run", ALL, ROUTER, *long), tiny_host())) / "run"


def rows_of(folder: Path, **wanted: str) -> list[Row]:
    rows = read_metrics(folder)["results"]
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def keyed(rows: list[Row]) -> dict[tuple[str, ...], Row]:
    keys = ("scenario", "view", "population", "method", "metric")
    return {tuple(row[key] for key in keys): row for row in rows}


@pytest.mark.parametrize("name", ALL)
def test_accuracy_and_calibration_stand_in_the_results(name: str, run: Path) -> None:
    populations = {"warm", "cold_user"} if name == SHOP else {"warm"}
    rows = keyed(rows_of(run, scenario=name, view="recognition"))
    assert set(rows) == {
        (name, "recognition", population, method, metric)
        for population in populations
        for method, metric in (("router", "accuracy"), ("router", "ece"), ("chance", "accuracy"))
    }
    accuracy, ece, chance = (
        rows[name, "recognition", "warm", method, metric]
        for method, metric in (("router", "accuracy"), ("router", "ece"), ("chance", "accuracy"))
    )
    assert accuracy["value"] > 3 * chance["value"] == pytest.approx(0.6)
    assert 0 <= ece["value"] < 0.5
    assert accuracy["standard_error"] is not None
    asked = [row["users"] for row in rows_of(run, scenario=name, population="warm", method="joint")]
    assert accuracy["users"] == chance["users"] >= max(asked) > 0


@pytest.mark.parametrize("name", ALL)
def test_figures_without_labels_stand_beside_those_with(name: str, run: Path) -> None:
    by_method = {
        method: {(r["view"], r["population"], r["metric"]): r for r in rows_of(run, scenario=name, method=method)}
        for method in ROUTED
    }
    main = {key: row for key, row in by_method["joint"].items() if key[0] != "rating"}
    first = next(key for key in main if key[1] == "warm")
    for method in ROUTED[1:]:
        assert by_method[method].keys() == main.keys()
        assert all(row["users"] == main[key]["users"] for key, row in by_method[method].items())
        assert by_method[method][first]["value"] > 0.7 * main[first]["value"]


def test_the_report_says_what_is_lost_and_takes_no_variant_for_a_rival(run: Path) -> None:
    for block in blocks(read_metrics(run)["results"]):
        said = routing_statement(block)
        if block.view in ("recognition", "rating"):
            assert said == ""
            continue
        metric = "auc" if block.view == "click" else "ndcg@10"
        assert said.startswith("without the scenario's label: hard routing 0.")
        assert "soft routing 0." in said
        assert f"against {block.cells['joint', metric].value:.4f} ({metric})" in said
        found = verdict(block)
        assert found is None or found.rival not in ROUTED
    page = (run / "report.html").read_text(encoding="utf-8")
    assert "joint, soft routing" in page
    assert "Without the scenario&#39;s label: hard routing" in page
    assert "recognition of scenarios" in page


def test_models_of_one_scenario_have_no_router(run: Path) -> None:
    assert not any(row["method"].startswith("single_") for row in read_metrics(run)["results"])
    metrics = read_metrics(run)
    assert metrics["parameters"]["router"] == 16 * 64 + 64 + 5 * 65


def test_a_restored_run_is_evaluated_to_the_same_numbers(run: Path) -> None:
    evaluated = keyed(rows_of(evaluate(EvaluateConfig(str(run), device="cpu"), tiny_host())))
    trained = {key: row for key, row in keyed(rows_of(run)).items() if key[3] != "popularity"}
    assert evaluated == trained


@pytest.mark.parametrize(
    ("route", "methods"),
    [("label", {"joint", "single"}), ("soft", {"joint_soft", "router", "chance"}), ("hard", {"joint_hard"})],
)
def test_one_route_is_evaluated(route: Any, methods: set[str], run: Path) -> None:
    config = EvaluateConfig(str(run), device="cpu", scenario=[LIKES], protocol="warm", route=route)
    assert {row["method"] for row in rows_of(evaluate(config, tiny_host()))} | {"router", "chance"} == (
        methods | {"router", "chance"}
    )


@pytest.mark.parametrize("route", ["hard", "soft", "router"])
def test_a_user_is_served_without_the_label(
    route: Literal["hard", "soft", "router"], run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = RecommendConfig(str(run), SHOP, "user7", k=5, device="cpu")
    config.user = str(load_shop(ShopConfig(), None).users["user_id"].iloc[7])
    by_label = recommend(config, tiny_host())
    assert by_label.recognized == {}
    assert "Recognized" not in capsys.readouterr().out
    found = recommend(replace(config, route=route), tiny_host())
    assert list(found.recognized) == list(ALL)
    assert sum(found.recognized.values()) == pytest.approx(1)
    assert max(found.recognized, key=lambda name: found.recognized[name]) == SHOP
    assert f"Recognized as ({route} routing): shop 0." in capsys.readouterr().out
    assert len(found.items) == 5
    if route == "hard":
        assert (found.items, found.scores) == (by_label.items, pytest.approx(by_label.scores, abs=1e-4))


def test_without_a_router_nothing_is_loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = train(tiny_config(tmp_path / "run", (SHOP, FACTS), *FEW), tiny_host())

    def forbidden(*_: Any) -> None:
        raise AssertionError("data was loaded before the mistake was told")

    monkeypatch.setattr(Session, "load", forbidden)
    for route in ("hard", "soft"):
        with pytest.raises(ConfigError, match=f"route={route}[\\s\\S]*each row needs its label"):
            evaluate(EvaluateConfig(str(folder), device="cpu", route=route), tiny_host())
    with pytest.raises(ConfigError, match="each row needs its label"):
        recommend(RecommendConfig(str(folder), SHOP, "u1", route="soft", device="cpu"), tiny_host())


def test_a_scenario_that_the_router_never_saw_is_named(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    original = RestoredRun.model

    def forgetful(self: RestoredRun, label: str) -> Any:
        model = original(self, label)
        model.router.seen_K[model.index[SHOP]] = False
        return model

    monkeypatch.setattr(RestoredRun, "model", forgetful)
    with pytest.raises(ConfigError, match=r"never saw scenario 'shop'[\s\S]*It knows people, likes, facts, ads"):
        recommend(RecommendConfig(str(run), SHOP, "u1", route="soft", device="cpu"), tiny_host())


@pytest.mark.parametrize("overrides", [["scenario=shop"], ["scenario=[shop,facts]", "strategy=single"]])
def test_a_router_for_one_scenario_is_refused_when_the_config_is_composed(overrides: list[str]) -> None:
    with pytest.raises(ConfigError, match=r"1 problem[\s\S]*router=recognition tells scenarios apart"):
        prepare_train(["experiment=none", ROUTER, *overrides], tiny_host())


def test_domains_of_one_scenario_are_something_to_tell_apart() -> None:
    overrides = ["experiment=none", ROUTER, "scenario=shop", "++scenario.shop.domains={column: age}"]
    prepare_train(overrides, tiny_host())


def test_a_router_left_with_one_scenario_is_refused_before_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load = Session.load

    def without_facts(self: Session, only: list[str] | None = None) -> Any:
        loaded = load(self, only)
        return replace(loaded, scenarios={SHOP: loaded.scenarios[SHOP]}, skipped={FACTS: "its data is away"})

    monkeypatch.setattr(Session, "load", without_facts)
    with pytest.raises(ConfigError, match=r"no model of this run learns more than one \(shop\)"):
        train(tiny_config(tmp_path / "run", (SHOP, FACTS), ROUTER, *FEW), tiny_host())
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_wrong_options_are_told_together() -> None:
    with pytest.raises(ConfigError, match=r"2 problems[\s\S]*router.hiden[\s\S]*router.mode") as caught:
        prepare_train(
            ["experiment=none", "scenario=[shop,facts]", ROUTER, "router.hiden=3", "router.mode=firm"], tiny_host()
        )
    assert "did you mean 'hidden'?" in str(caught.value)


def test_an_interrupted_run_with_a_router_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = train(tiny_config(tmp_path / "whole", THREE, ROUTER, *FEW), tiny_host())
    config = tiny_config(tmp_path / "run", THREE, ROUTER, *FEW)
    with monkeypatch.context() as patch:
        stop_in(patch, "save_model", 2, after=True)
        with pytest.raises(Stop):
            train(config, tiny_host())
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert_same(train(config, tiny_host()), whole)
    assert (whole / MODEL).is_file()
    curves = [json.loads(line) for line in (whole / "metrics.jsonl").read_text().splitlines()]
    steps = [line["step"] for line in curves if line["scenario"] == "recognition of scenarios"]
    assert steps == [5, 10]
