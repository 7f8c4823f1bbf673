"""``polyscene adapt`` from a finished run to a new one, again and again, and what it refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from polyscene.config.adapt import AdaptConfig, LearnConfig
from polyscene.config.schema import DataConfig, EvaluateConfig, RecommendConfig
from polyscene.errors import CheckpointError, ConfigError, DataError, PolysceneError
from polyscene.evaluation.recommend import recommend
from polyscene.evaluation.run import evaluate
from polyscene.report import read_metrics
from polyscene.report.schema import TRANSFER
from polyscene.training.adapt import run as adapt_run
from polyscene.training.adapt.run import adapt
from polyscene.training.files import read_tensors
from polyscene.training.folder import read_config, read_fingerprint
from polyscene.training.restore import restore
from polyscene.training.run import train
from tests.tiny import ADS, FACTS, LIKES, SHOP, THREE, tiny_config, tiny_host

QUICK = LearnConfig(steps=5, lr=0.02)


def command(run: Path, name: str, into: Path | str = "", **options: Any) -> Path:
    own: dict[str, Any] = options.pop("own", {})
    given = {"learn": QUICK, "controls": [], "threads": 1, **options}
    return adapt(AdaptConfig(run=str(run), scenario={name: own}, into=str(into), **given), tiny_host())


def figures(rows: list[dict[str, Any]], method: str) -> dict[tuple[str, ...], float]:
    return {
        (row["scenario"], row["view"], row["population"], row["metric"]): row["value"]
        for row in rows
        if row["method"] == method
    }


@pytest.fixture(scope="module")
def runs(finished: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two adapts in a row, the second one of the run that the first one wrote."""
    folder = tmp_path_factory.mktemp("adapted")
    controls = ["no_adaptation", "scratch", "popularity"]
    first = command(finished, LIKES, folder / "likes", shots=[0, 4, 16], draws=[0, 3], controls=controls)
    return first, command(first, ADS, folder / "ads", shots=["all"])


def test_where_neither_adapter_nor_task_can_learn_shots_are_counted_all_the_same(tmp_path: Path) -> None:
    plain = ("trainer.steps=2", "adapter=none", "controls=[]")
    run = train(tiny_config(tmp_path / "run", (SHOP, LIKES), *plain), tiny_host())
    rows = read_metrics(command(run, "people", tmp_path / "people", shots=[1], draws=[0, 1, 2]))["few_shot"]
    assert {row["draw"] for row in rows if row["method"] == "adapted"} == {0, 1, 2}


@pytest.mark.parametrize(("least", "stay"), [(10_000, True), (10, False)])
def test_few_rows_leave_the_gates_of_the_others(
    least: int, stay: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"priors": ["linear"]}
    config = tiny_config(tmp_path / "run", (SHOP,), "trainer.steps=2", "controls=[]", **{SHOP: own})
    monkeypatch.setitem(adapt_run._LEAST_SET_ASIDE, "adapted", least)
    run = command(train(config, tiny_host()), LIKES, tmp_path / LIKES, shots=[200], own=own)
    kept = read_tensors(run / "checkpoints" / "joint" / "model.safetensors")
    same = []
    for name in ("network", "linear"):
        others_2VE = kept[f"priors.{SHOP}.gate_2VE.{name}"].mean(dim=1, keepdim=True)
        same.append(torch.allclose(kept[f"priors.{LIKES}.gate_2VE.{name}"], others_2VE))
    assert all(same) == stay


def test_the_curve_holds_every_method_number_and_draw(runs: tuple[Path, Path]) -> None:
    metrics = read_metrics(runs[0])
    rows = [row for row in metrics["few_shot"] if row["metric"] == "ndcg@10" and row["population"] == "warm"]
    methods = ("adapted", "no_adaptation", "scratch", "popularity")
    assert {(row["method"], row["shots"], row["draw"]) for row in rows} == {
        (method, shots, draw) for method in methods for shots in (0, 4, 16) for draw in (0, 3)
    }
    assert "By number of labelled rows" in (runs[0] / "report.html").read_text(encoding="utf-8")
    # With no shots there is nothing to adapt to.
    zero = {row["method"]: row["value"] for row in rows if row["shots"] == 0 and row["draw"] == 0}
    assert zero["adapted"] == zero["no_adaptation"]


def test_examples_are_of_the_kept_model_and_what_stands_beside_it(runs: tuple[Path, Path]) -> None:
    examples = read_metrics(runs[0])["examples"]
    assert {example["scenario"] for example in examples} == {LIKES}
    first = [one["method"] for one in examples[0]["methods"]]
    assert first == ["adapted", "no_adaptation", "scratch", "popularity"], "one draw of the most shots"


def test_the_new_run_is_evaluated_with_the_same_figures_and_others_keep_theirs(
    finished: Path, runs: tuple[Path, Path]
) -> None:
    measured = figures(read_metrics(evaluate(EvaluateConfig(run=str(runs[1])), tiny_host()))["results"], "joint")
    before = figures(read_metrics(finished)["results"], "joint")
    assert {key[0] for key in measured} == {*THREE, LIKES, ADS}
    assert {key: measured[key] for key in before} == before
    # The run keeps the model of the first draw.
    rows = [row for row in read_metrics(runs[0])["results"] if row["seed"] == 0]
    for adapted in (figures(rows, "adapted"), figures(read_metrics(runs[1])["results"], "adapted")):
        assert adapted
        assert {key: measured[key] for key in adapted} == adapted


def test_the_new_run_says_what_it_is(finished: Path, runs: tuple[Path, Path]) -> None:
    config = read_config(runs[1])
    assert config["adapted"] == [LIKES, ADS]
    assert (config["scenario"][LIKES]["shots"], config["scenario"][LIKES]["draw"]) == (16, 0)
    assert config["scenario"][ADS]["shots"] is None
    assert set(read_fingerprint(runs[1])["data"]) == {*THREE, LIKES, ADS}
    assert not (runs[1] / "metrics.jsonl").exists()
    restored = restore(str(runs[1]), tiny_host(), root="", data=DataConfig(), device="cpu")
    assert list(restored.model("joint").index) == [*THREE, LIKES, ADS]


def test_the_new_run_recommends(runs: tuple[Path, Path]) -> None:
    assert (
        len(recommend(RecommendConfig(run=str(runs[1]), scenario=LIKES, user="u10", k=3), tiny_host()).items) == 3
    )


@pytest.mark.parametrize(
    ("name", "options", "kind", "words"),
    [
        (SHOP, {}, ConfigError, r"the run has the scenario 'shop' already"),
        (LIKES, {"shots": [100_000]}, DataError, r"100,000 shots are asked for, and there are \d+ training rows"),
        (ADS, {"shots": [1]}, ConfigError, "1 shot is fewer than the 2 classes"),
        ("lieks", {}, ConfigError, "did you mean 'likes'"),
        (LIKES, {"own": {"split": {"name": "by_moon"}}}, ConfigError, "no split called 'by_moon'"),
        (ADS, {"own": {"domains": {"column": "clicked"}}}, ConfigError, "divided into domains"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_written(
    name: str,
    options: dict[str, Any],
    kind: type[PolysceneError],
    words: str,
    finished: Path,
) -> None:
    new = finished.parent / "refused"
    with pytest.raises(kind, match=words):
        command(finished, name, new, **options)
    assert not new.exists()


def test_runs_that_hold_no_model_for_all_are_refused(tmp_path: Path) -> None:
    single = train(
        tiny_config(tmp_path / "single", (SHOP, FACTS), "strategy=single", "trainer.steps=1"), tiny_host()
    )
    with pytest.raises(ConfigError, match="a model for each scenario"):
        command(single, LIKES, tmp_path / "new")
    (tmp_path / "matrix").mkdir()
    (tmp_path / "matrix" / TRANSFER).touch()
    with pytest.raises(CheckpointError, match="transfer matrix"):
        command(tmp_path / "matrix", LIKES, tmp_path / "new")


def test_a_scenario_that_shares_no_encoder_gets_a_warning(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command(finished, ADS, tmp_path / "new", shots=[4])
    assert "warning: ads has no encoder in common with the run (it has no text)" in capsys.readouterr().out


def test_a_joint_training_learns_from_shots_and_needs_one(tmp_path: Path) -> None:
    def run(shots: int) -> Path:
        few = {"shots": shots}
        return train(tiny_config(tmp_path / str(shots), (SHOP, LIKES), "trainer.steps=2", likes=few), tiny_host())

    assert "8 shots" in next(
        row["protocol"] for row in read_metrics(run(8))["results"] if row["scenario"] == LIKES
    )
    with pytest.raises(DataError, match="no row is labelled"):
        run(0)
