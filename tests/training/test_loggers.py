"""Loggers: each tool's own reader finds what was logged; without the tool the message says what to do."""

from __future__ import annotations

import json
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyscene.errors import ConfigError
from polyscene.training.loggers import COMPONENTS, Logger, MLflowConfig, TensorBoardConfig, WandbConfig
from polyscene.training.loggers.logger import config_of

CONFIG = {"seed": 3, "trainer": {"lr": 0.001, "threads": None}, "scenario": {"video": {"columns": {}}}}
RESULTS = [
    {
        "scenario": "video",
        "view": "ranking",
        "population": "warm",
        "method": "joint",
        "metric": "ndcg@10",
        "value": 0.25,
    }
]


def build(name: str, run: Path, config: Any = None) -> Logger:
    [component] = [component for component in COMPONENTS if component.name == name]
    return component.build(config or (component.config() if component.config else None), run=run)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run that has begun."""
    folder = tmp_path / "runs" / "first"
    folder.mkdir(parents=True)
    (folder / "resolved.yaml").write_text(yaml.safe_dump(CONFIG))
    return folder


def log_two_models(logger: Logger) -> None:
    logger.log(10, {"joint/video/loss": 2.5, "joint/video/ndcg@10": 0.125})
    logger.log(20, {"joint/video/loss": 1.25})
    logger.log(10, {"single-video/video/loss": 2.0})  # the next model begins at the beginning


def test_tensorboard_reads_back_what_was_logged(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    logger = build("tensorboard", tmp_path)
    logger.log(1, {"video/loss": 2.5, "lr": 1e-3})
    logger.log(2, {"video/loss": 1.25})
    logger.close()
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [(event.step, event.value) for event in events.Scalars("video/loss")] == [(1, 2.5), (2, 1.25)]
    assert [event.step for event in events.Scalars("lr")] == [1]


@pytest.mark.parametrize(
    ("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb"), ("mlflow", "mlflow")]
)
def test_without_the_tool_the_message_says_what_to_install(
    name: str, module: str, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ConfigError, match=rf"\.\[{name}\]"):
        build(name, run)
    assert [path.name for path in run.parent.rglob("*")] == ["first", "resolved.yaml"]


@pytest.mark.parametrize("folder", ["..", "/tmp/elsewhere", "a/../../b"])
def test_event_files_stay_inside_the_run(tmp_path: Path, folder: str) -> None:
    run = tmp_path / "run"
    with pytest.raises(ConfigError, match="outside the run directory"):
        build("tensorboard", run, TensorBoardConfig(folder=folder))


def test_none_records_nothing(tmp_path: Path) -> None:
    logger = build("none", tmp_path)
    logger.log(1, {"loss": 1.0})
    logger.close()
    assert list(tmp_path.iterdir()) == []


def test_wandb_keeps_config_curves_and_results_without_a_network(run: Path, no_network: None) -> None:
    from wandb.proto.wandb_internal_pb2 import Record

    logger = build("wandb", run, WandbConfig(project="films"))
    log_two_models(logger)
    logger.log_results(RESULTS)
    logger.close()
    [file] = run.glob("wandb/offline-run-*/run-*.wandb")
    records: list[Record] = []
    for _ in range(100):  # W&B's own process may write the end a moment after it was told
        records = [Record.FromString(data) for data in leveldb_records(file.read_bytes())]
        if any(one.HasField("exit") for one in records):
            break
        time.sleep(0.2)
    [begun] = [one.run for one in records if one.HasField("run")]
    assert (begun.project, begun.display_name) == ("films", "first")
    config = {one.key: json.loads(one.value_json) for one in begun.config.update}
    assert {key: config[key] for key in CONFIG} == CONFIG
    history = [values(one.history.item) for one in records if one.HasField("history")]
    assert [(row["step"], row.get("joint/video/loss"), row.get("single-video/video/loss")) for row in history] == [
        (10, 2.5, None),
        (20, 1.25, None),
        (10, None, 2.0),
    ]
    summary: dict[str, Any] = {}
    for one in records:
        summary |= values(one.summary.update) if one.HasField("summary") else {}
    assert summary["test/video/ranking/warm/joint/ndcg@10"] == 0.25
    [ended] = [one.exit for one in records if one.HasField("exit")]
    assert ended.exit_code == 0


def test_mlflow_reads_back_config_curves_and_results(run: Path) -> None:
    from mlflow import MlflowClient

    logger = build("mlflow", run, MLflowConfig(experiment="films"))
    log_two_models(logger)
    logger.close()  # a run that failed
    client = MlflowClient(f"sqlite:///{run.parent / 'mlruns' / 'mlflow.db'}")
    [failed] = client.search_runs([client.get_experiment_by_name("films").experiment_id])
    assert (failed.info.status, failed.info.run_name) == ("FAILED", "first")
    assert failed.data.params == {"seed": "3", "trainer.lr": "0.001"}
    again = build("mlflow", run, MLflowConfig(experiment="films"))  # it is continued, under the same name
    again.log(30, {"joint/video/loss": 1.0})
    again.log_results(RESULTS)
    again.close()
    [finished] = client.search_runs([failed.info.experiment_id])
    assert finished.info.status == "FINISHED"
    curve = client.get_metric_history(finished.info.run_id, "joint/video/loss")
    assert [(point.step, point.value) for point in curve] == [(10, 2.5), (20, 1.25), (30, 1.0)]
    assert finished.data.metrics["joint/video/ndcg_at_10"] == 0.125
    assert finished.data.metrics["test/video/ranking/warm/joint/ndcg_at_10"] == 0.25


def test_a_part_of_a_run_has_the_config_of_the_whole(run: Path) -> None:
    part = run / "seed-1"
    part.mkdir()
    assert config_of(part) == config_of(run) == CONFIG


def test_a_store_of_mlflow_that_cannot_be_used(run: Path) -> None:
    (run.parent / "mlruns").write_text("a file")
    with pytest.raises(ConfigError, match=r"logger\.uri or logger\.folder"):
        build("mlflow", run)
    with pytest.raises(ConfigError, match=r"logger\.uri or logger\.folder"):
        build("mlflow", run, MLflowConfig(uri="gopher://nowhere", folder="elsewhere"))


def test_wandb_online_without_a_login_says_what_to_do(run: Path, no_network: None, monkeypatch: Any) -> None:
    monkeypatch.setenv("WANDB_API_KEY", "")
    with pytest.raises(ConfigError, match="wandb login"):
        build("wandb", run, WandbConfig(mode="online"))


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An address at which nobody answers, at home as well as in the tool's own process."""
    for variable in ("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))


def values(items: Any) -> dict[str, Any]:
    return {"/".join(item.nested_key) or item.key: json.loads(item.value_json) for item in items}


def leveldb_records(data: bytes) -> Iterator[bytes]:
    """Records of a log as LevelDB writes it, in blocks of 32 KiB after W&B's seven bytes."""
    position, record, block = 7, b"", 32768
    while position < len(data):
        if block - position % block < 7:
            position += block - position % block
            continue
        _, size, kind = struct.unpack("<IHB", data[position : position + 7])
        record += data[position + 7 : position + 7 + size]
        position += 7 + size
        if kind in (1, 4):  # whole, or the last part
            yield record
            record = b""
