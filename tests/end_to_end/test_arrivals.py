"""Serving what a run has never heard of: a user who is a text, and items that came after training."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from tests.backbone.conftest import tiny as tiny_bert
from tests.end_to_end.conftest import Said

tiny = tiny_bert
Polyscene = Callable[..., Said]


@pytest.fixture
def run(polyscene: Polyscene, files: Path, tiny: Path) -> Callable[..., Said]:
    """``recommend`` from a small trained run."""
    trained = polyscene(
        "train",
        "experiment=none",
        "scenario=podcast_text",
        f"scenario.podcast_text.folder={files}",
        f"backbone.model={tiny}",
        "trainer=smoke",
        "trainer.steps=4",
        "trainer.eval_every=4",
        "model.count_gate=true",
        "run.dir=run",
    )
    assert trained.code == 0, trained.err

    def recommend(*arguments: str) -> Said:
        return polyscene("recommend", "run=run", "scenario=podcast_text", "device=cpu", *arguments)

    return recommend


def scores(shown: str) -> dict[str, str]:
    """The score of each item of a table."""
    rows = [line.split("│") for line in shown.splitlines() if line.count("│") == 5]
    return {cells[2].strip(): cells[4].strip() for cells in rows}


def test_texts_and_new_items(run: Callable[..., Said], files: Path, tmp_path: Path) -> None:
    items = pd.read_csv(files / "items.csv", dtype={"item_id": str})
    user = pd.read_csv(files / "plays.csv", dtype=str)["user_id"].iloc[0]
    known = items.iloc[7]

    said = run(f"text={known.text}", "k=20")
    assert said.code == 0, said.err
    assert "for one who says" in said.out
    assert f"Nearest to the text: {known.text};" in said.out, "its own words are nearest"
    assert said.out.count("generated") >= 20, "nothing is masked: nobody said that it was had"

    new = items.drop(columns="cluster", errors="ignore").head(2).assign(item_id=["new1", "new2"])
    path = tmp_path / "new.csv"
    new.assign(further="left out").to_csv(path, index=False)
    before = run(f"user={user}", "k=22").out
    said = run(f"user={user}", "k=22", f"new_items={path}")
    assert said.code == 0, said.err
    assert "new1" in said.out
    assert "new2" in said.out
    assert scores(before).items() <= scores(said.out).items(), "items that were there keep their scores"
    assert "new1" in run("text=word", f"new_items={path}", "k=22").out

    for broken, words in (
        (new.drop(columns=["price", "text"]), ("column 'price' is missing", "column 'text' is missing")),
        (new.assign(item_id=["new1", known.item_id]), (f"1 items exist already: {known.item_id}",)),
        (new.assign(item_id="new1"), ("1 ids occur twice: new1",)),
        (new.assign(text=[" ", "x"]), ("'text' of 1 items is empty: new1",)),
        (new.head(0), ("there is no item in it",)),
        (new.assign(price="cheap"), ("items.price is declared as Number",)),
    ):
        broken.to_csv(path, index=False)
        said = run(f"user={user}", f"new_items={path}")
        assert said.code == 2
        assert all(word in said.err for word in words), said.err

    for arguments, words in (
        (("text= ",), ("the text is empty", "slow jazz")),
        ((f"user={user}", "text=jazz"), ("both user and text are given", "not both")),
        ((), ("'user' is missing", "text=")),
        ((f"user={user}", f"new_items={tmp_path / 'nowhere.csv'}"), ("there is no such file",)),
    ):
        said = run(*arguments)
        assert said.code == 2
        assert all(word in said.err for word in words), said.err
