"""Runs that were not asked the same are refused, and the difference is shown."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from polyscene.comparison.runs import Run
from polyscene.comparison.same_rows import check_same_rows
from polyscene.data.phases import Phase
from polyscene.errors import CheckpointError, ConfigError

BOTH = ["shop", "likes"]


def change_split(folder: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> None:
    """Rewrite the split of the shop; ``change`` gets its tensors and facts."""
    path = folder / "split" / "shop.safetensors"
    with safe_open(path, framework="np") as file:
        metadata = file.metadata()
        tensors = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    facts = json.loads(metadata["split"])
    change(tensors, facts)
    save_file(tensors, path, {**metadata, "split": json.dumps(facts)})


def test_runs_of_one_split_are_compared(runs: list[Run]) -> None:
    check_same_rows(runs, BOTH)
    check_same_rows(runs, ["a scenario that no run has"])


def test_rows_in_another_phase_are_counted_and_the_option_behind_it_is_named(
    runs: list[Run], copied: Callable[[str, str], Path]
) -> None:
    folder = copied("1", "other")

    def move(tensors: dict[str, Any], facts: dict[str, Any]) -> None:
        train = np.flatnonzero(tensors["phase_R"] == Phase.TRAIN)
        tensors["phase_R"][train[:7]] = Phase.TEST

    change_split(folder, move)
    text = (folder / "resolved.yaml").read_text()
    changed = re.sub(r"(shop:.*?split:.*?cold_users: )0\.15", r"\g<1>0.3", text, count=1, flags=re.DOTALL)
    assert changed != text
    (folder / "resolved.yaml").write_text(changed)
    with pytest.raises(ConfigError) as raised:
        check_same_rows([*runs, Run(folder)], BOTH)
    said = str(raised.value)
    assert f"shop: {folder} has 7 of 1,2" in said
    assert re.search(r"train [\d,]+ against [\d,]+.*test [\d,]+ against [\d,]+", said)
    assert f"than {runs[0].folder}: scenario.shop.split.cold_users=0.3 against 0.15" in said
    assert "likes" not in said
    assert "--filter scenario=" in said
    check_same_rows([*runs, Run(folder)], ["likes"])


def test_other_data_is_another_question(runs: list[Run], copied: Callable[[str, str], Path]) -> None:
    folder = copied("1", "other")
    change_split(folder, lambda _, facts: facts.update(fingerprint="0" * 64))
    with pytest.raises(ConfigError, match="has other data"):
        check_same_rows([*runs, Run(folder)], BOTH)


def test_so_are_other_cold_items(runs: list[Run], copied: Callable[[str, str], Path]) -> None:
    folder = copied("1", "other")
    change_split(folder, lambda tensors, _: tensors["cold_N"].__setitem__(0, 1 - tensors["cold_N"][0]))
    with pytest.raises(ConfigError, match="has other cold users or items"):
        check_same_rows([*runs, Run(folder)], BOTH)


def test_so_is_another_ranking_but_not_another_folder_of_the_split(
    runs: list[Run], copied: Callable[[str, str], Path]
) -> None:
    def say(folder: Path, words: str) -> Run:
        metrics = json.loads((folder / "metrics.json").read_text())
        for row in metrics["results"]:
            row["protocol"] = words
        (folder / "metrics.json").write_text(json.dumps(metrics))
        return Run(folder)

    here = say(copied("0", "here"), "given (path=/home/a/split.parquet)")
    check_same_rows([here, say(copied("1", "there"), "given (path=/b/split.parquet)")], BOTH)
    with pytest.raises(ConfigError, match="ranked as 'sampled'"):
        check_same_rows([here, say(copied("1", "sampled"), "sampled")], BOTH)


def test_a_damaged_split_is_named(runs: list[Run], copied: Callable[[str, str], Path]) -> None:
    folder = copied("1", "damaged")
    (folder / "split" / "shop.safetensors").write_bytes(b"nothing of use")
    with pytest.raises(CheckpointError, match=r"damaged.*shop.safetensors: the split cannot be read"):
        check_same_rows([*runs, Run(folder)], BOTH)
