"""Priors in a run: gates are kept, parts of the scores are reported, and shares add up."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from polyscene.config.schema import DataConfig, EvaluateConfig, TrainConfig
from polyscene.errors import ConfigError
from polyscene.evaluation.recommend import recommend_from
from polyscene.evaluation.run import evaluate
from polyscene.evaluation.serving import retriever_of
from polyscene.priors.occurrence import TERMS
from polyscene.report import read_metrics
from polyscene.training.assembly import build_model
from polyscene.training.files import read_tensors
from polyscene.training.restore import RestoredRun, restore
from polyscene.training.run import train
from tests.tiny import FACTS, LIKES, SHOP, tiny_config, tiny_fitting, tiny_host, tiny_session

PRIORS: dict[str, dict[str, Any]] = {
    SHOP: {"priors": ["co_occurrence", {"name": "linear", "l2": 20.0}]},
    LIKES: {"priors": ["linear"]},
}
FEW = ("trainer.steps=4", "trainer.eval_every=2")
PARTS = ("no_priors", "priors_only")
Figures = dict[tuple[str, ...], float]


def config_of(run: Path | str, *overrides: str) -> TrainConfig:
    return tiny_config(run, [SHOP, LIKES], *FEW, *overrides, **PRIORS)


def restored(run: Path) -> RestoredRun:
    return restore(str(run), tiny_host(), root="", data=DataConfig(), device="cpu")


def figures(run: Path, method: str) -> Figures:
    keys = ("scenario", "view", "population", "metric")
    rows = [row for row in read_metrics(run)["results"] if row["method"] == method]
    return {tuple(row[key] for key in keys): row["value"] for row in rows}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    controls = f"controls=[{','.join(PARTS)}]"
    return train(config_of(tmp_path_factory.mktemp("counted") / "run", controls), tiny_host())


def test_gates_are_fitted_and_kept_to_the_last_bit(run: Path) -> None:
    kept = read_tensors(run / "checkpoints" / "joint" / "model.safetensors")
    names = {name for name in kept if name.startswith("priors.")}
    gates = {SHOP: ("network", "co_occurrence", "linear"), LIKES: ("network", "linear")}
    expected = {f"priors.{who}.gate_2VE.{name}" for who, names in gates.items() for name in names}
    expected |= {f"priors.{who}.weight_2VE.{term}" for who in gates for term in TERMS}
    assert names == expected | {f"priors.{who}.usual" for who in gates}
    session = tiny_session(config_of(""))
    fresh = build_model(session, session.load())[0].state_dict()
    assert any(not torch.equal(kept[name], fresh[name]) for name in names if SHOP in name), "nothing was fitted"
    state = restored(run).model("joint").state_dict()
    assert [name for name in names if not torch.equal(state[name], kept[name])] == []


def test_a_restored_model_gives_the_same_figures(run: Path) -> None:
    again = evaluate(EvaluateConfig(str(run), device="cpu"), tiny_host())
    for method in ("joint", *PARTS):
        assert figures(again, method) == figures(run, method) != {}


def test_parts_are_the_same_model(run: Path) -> None:
    assert {path.name for path in (run / "checkpoints").iterdir()} == {"joint"}
    whole, network, counts = (figures(run, method) for method in ("joint", *PARTS))
    rated = {key for key in whole if key[2] == "rating" or key[-1] in ("rmse", "mae")}
    assert network.keys() == counts.keys() == whole.keys() - rated, "priors say nothing of ratings"
    ranked = {key for key in network if key[-1] == "ndcg@10" and key[2] == "warm"}
    assert {key[0] for key in ranked} == {SHOP, LIKES}
    for key in ranked:
        assert len({whole[key], network[key], counts[key]}) == 3


def test_the_network_is_what_a_run_without_priors_trains(run: Path, tmp_path: Path) -> None:
    plain = train(config_of(tmp_path / "run", "model.priors=false"), tiny_host())
    network, joint = figures(run, "no_priors"), figures(plain, "joint")
    assert {key: joint[key] for key in network} == network
    assert not restored(plain).model("joint").priors


def test_parts_are_refused_where_nothing_is_counted(tmp_path: Path) -> None:
    config = tiny_config(tmp_path / "run", [SHOP, FACTS], *FEW, f"controls=[{','.join(PARTS)}]")
    with pytest.raises(ConfigError) as caught:
        train(config, tiny_host())
    for part in PARTS:
        assert f"'{part}' changes nothing in this run" in str(caught.value)
    assert "scenario.NAME.priors=[linear]" in str(caught.value)
    assert not (tmp_path / "run" / "checkpoints").exists()


def test_parts_are_refused_where_priors_are_switched_off(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'no_priors' changes nothing in this run: model\.priors is false"):
        train(config_of(tmp_path / "run", "model.priors=false", "controls=[no_priors]"), tiny_host())


@pytest.mark.parametrize("precision", ["bf16-mixed", "bf16-true"])
def test_in_half_precision_they_count_as_precisely(precision: str, tmp_path: Path) -> None:
    found = []
    for chosen in (precision, "32-true"):
        config = tiny_config(
            tmp_path / chosen,
            [SHOP, LIKES, FACTS],
            *FEW,
            f"trainer.precision={chosen}",
            "controls=[priors_only]",
            **PRIORS,
            facts={"priors": ["shared_facts"]},
        )
        run = train(config, tiny_host())
        counts = figures(run, "priors_only")
        found.append([value for key, value in counts.items() if key[-2:] == ("warm", "ndcg@10")])
        again = evaluate(EvaluateConfig(str(run), device="cpu"), tiny_host())
        assert figures(again, "joint") == pytest.approx(figures(run, "joint"), rel=0.1, abs=0.03)
    assert len(found[0]) >= 3
    assert found[0] == pytest.approx(found[1], rel=0.05)


def test_a_served_run_recommends_what_the_command_does(run: Path) -> None:
    one = restored(run)
    retriever = retriever_of(one)
    assert set(retriever.served) == {SHOP, LIKES}
    queries = {name: retriever.query(name, torch.tensor([3, 5])) for name in (SHOP, LIKES)}
    for name, best in retriever.find(queries, 5).items():
        tables = one.loaded.scenarios[name].tables
        for place, user in enumerate((3, 5)):
            found = recommend_from(one, name, str(tables.users["user_id"].iloc[user]), 5)
            assert tables.items["item_id"].iloc[best.item_BK[place].tolist()].tolist() == found.items


@pytest.mark.parametrize("name", [SHOP, LIKES])
def test_shares_of_a_recommendation_add_up_to_its_score(name: str, run: Path) -> None:
    one = restored(run)
    user = str(one.loaded.scenarios[name].tables.users["user_id"].iloc[3])
    found = recommend_from(one, name, user, 5)
    assert list(found.shares[0]) == [
        "network",
        *(p["name"] if isinstance(p, dict) else p for p in PRIORS[name]["priors"]),
        *TERMS,
    ]
    assert any(share["linear"] > 0 for share in found.shares)
    for share, score in zip(found.shares, found.scores, strict=True):
        assert sum(share.values()) == pytest.approx(score, abs=1e-5)


def test_a_finished_training_that_is_repeated_settles_as_before(tmp_path: Path) -> None:
    """As after a stop between training and its report: gates that were settled before are no start for others."""
    tiny_fitting(config_of(""), tmp_path).run()
    file = tmp_path / "model.safetensors"
    kept = read_tensors(file)
    elsewhere = {name: tensor + 3 * name.startswith("priors.") for name, tensor in kept.items()}
    save_file(elsewhere, file)
    tiny_fitting(config_of(""), tmp_path).run()
    again = read_tensors(file)
    assert [name for name, tensor in kept.items() if not torch.equal(tensor, again[name])] == []


def test_priors_of_a_single_strategy_are_reported(tmp_path: Path) -> None:
    run = train(config_of(tmp_path / "run", "strategy=single", "controls=[no_priors]"), tiny_host())
    assert {key[0] for key in figures(run, "no_priors")} == {SHOP, LIKES}
