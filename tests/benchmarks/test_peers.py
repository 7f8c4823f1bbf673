"""What compares the engine with other libraries: levels, rows, and workers that take turns."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.results import read_results, write_results
from benchmarks.speed.peers import peer as peers
from benchmarks.speed.peers.environments import NotInstalled, Requirements, install
from benchmarks.speed.peers.levels import common_level, seconds_to
from benchmarks.speed.peers.rows import Rows
from benchmarks.speed.peers.workers.measures import ndcg
from polyscene.evaluation import metrics
from polyscene.evaluation.ranking import rank_targets
from polyscene.retrieval.pairs import Pairs

WORKER = """
import sys
from turns import answer

def add(one, other):
    print("libraries print this", flush=True)
    return {"sum": one + other}

def end():
    sys.exit("it was asked to")

answer({"add": add, "end": end})
"""


def test_level_is_reached_by_all_and_no_higher_one_is() -> None:
    curves = [[(10, 0.5), (20, 0.7), (30, 0.6)], [(10, 0.2), (20, 0.6), (30, 0.65)]]
    level = common_level(*curves)
    assert level == 0.65
    assert [seconds_to(level, curve, 2.0) for curve in curves] == [40.0, 60.0]
    with pytest.raises(ValueError, match="never reaches"):
        seconds_to(0.68, curves[1], 2.0)


def test_rows_are_medians_that_a_results_file_takes(tmp_path: Path) -> None:
    rows = Rows("part", "protocol")
    rows.add("what", "method", "speed", [1.0, 9.0, 2.0])
    rows.add("what", "method", "size", 7)
    rows.missing("what", "peer 1.0", "no wheel")
    write_results("part", rows.rows, tmp_path)
    speed, size, missing = read_results(tmp_path)["part"]
    assert (speed["mean"], len(speed["seeds"])) == (2.0, 3)
    assert (size["mean"], size["std"]) == (7.0, None)
    assert missing["mean"] == 0
    assert "no wheel" in missing["method"]


@pytest.fixture
def worker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> peers.Peer:
    turns = peers.WORKERS / "turns.py"
    (tmp_path / "turns.py").write_bytes(turns.read_bytes())
    (tmp_path / "calculator.py").write_text(WORKER, encoding="utf-8")
    monkeypatch.setattr(peers, "WORKERS", tmp_path)
    monkeypatch.setattr(peers, "python_of", lambda _: Path(sys.executable))
    return peers.Peer(Requirements("calculator 1.0", ()), "calculator")


def test_worker_answers_again_and_again_whatever_it_prints(worker: peers.Peer) -> None:
    with worker:
        assert [worker.ask("add", one=number, other=1) for number in range(3)] == [{"sum": n} for n in (1, 2, 3)]


def test_worker_that_ends_is_named_with_its_last_words(worker: peers.Peer) -> None:
    with worker, pytest.raises(RuntimeError, match=r"calculator 1\.0 ended at 'end'(.|\n)*it was asked to"):
        worker.ask("end")


def test_package_that_does_not_exist_says_so(tmp_path: Path) -> None:
    with pytest.raises(NotInstalled, match="nowhere"):
        install(Path(sys.executable), [str(tmp_path / "nowhere.whl")])


def test_ndcg_of_workers_is_that_of_the_evaluator() -> None:
    scores_BN = torch.rand(50, 20, generator=torch.Generator().manual_seed(0))
    target_B = torch.arange(50) % 20
    targets = Pairs(torch.arange(50), target_B)
    ranking = rank_targets(scores_BN, targets, user_B=torch.arange(50), top=10)
    expected = metrics.summarize(metrics.ndcg(ranking, 10)).mean
    assert ndcg(ranking.top_BK.numpy(), target_B.numpy()) == pytest.approx(expected)
    assert 0 < expected < 1
    assert ndcg(np.array([[3, 1, 2]]), np.array([2])) == 0.5
