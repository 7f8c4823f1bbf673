"""``polyscene compare`` as a user calls it."""

from __future__ import annotations

import csv
import io
import re
import shutil
from pathlib import Path

import pytest

from polyscene.cli import app


@pytest.fixture
def wide(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("COLUMNS", "220")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.chdir(tmp_path)


def page_of(folder: Path) -> str:
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.mark.usefixtures("wide")
def test_a_sweep_becomes_a_table_a_page_and_files(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = app.main(
        ["compare", str(sweep), "--sort", "mean", "--markdown", "table.md", "--latex", "t.tex", "--into", "page"]
    )
    said = capsys.readouterr().out
    assert code == 0
    for word in (
        "adapter=none",
        "adapter=gate",
        "popularity",
        "trainable",
        "2 seeds (0, 1)",
        "Page: page/report.html",
    ):
        assert word in said
    assert re.search(r"0\.\d{4} ± 0\.\d{4}", said)
    page = page_of(tmp_path / "page")
    for word in ("adapter=none", "learning curves", 'figure class="chart"', "shop cold ndcg@10", str(sweep / "3")):
        assert word in page
    assert "Variants over figures and costs" in page
    assert "| adapter=none |" in Path("table.md").read_text()
    assert "tabular" in Path("t.tex").read_text()


@pytest.mark.usefixtures("wide")
def test_a_narrow_terminal_shows_all_columns_below_each_other(
    sweep: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = []
    for width in ("220", "60"):
        monkeypatch.setenv("COLUMNS", width)
        assert app.main(["compare", str(sweep), "--into", "page"]) == 0
        lines = capsys.readouterr().out.splitlines()
        figures.append(sorted(re.findall(r"\d+\.\d+|\d+,\d+", " ".join(lines))))
        tables = [line for line in lines if "───" in line]
        assert max(map(len, tables)) <= int(width)
    assert len(tables) > 1
    assert figures[0] == figures[1]
    assert "…" not in " ".join(lines)


@pytest.mark.usefixtures("wide")
def test_what_is_printed_for_programs_stands_alone(sweep: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert app.main(["compare", str(sweep), "--csv", "-", "--into", "page", "--filter", "scenario=shop"]) == 0
    captured = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(captured.out)))
    assert {row["scenario"] for row in rows} == {"shop", ""}
    assert "Page:" in captured.err


@pytest.mark.usefixtures("wide")
def test_the_page_goes_beside_the_runs_and_is_no_run_itself(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(sweep, tmp_path / "sweep"))
    for _ in range(2):
        assert app.main(["compare", str(folder / "0"), str(folder / "2")]) == 0
    assert "One seed" in capsys.readouterr().out
    assert "adapter=gate" in page_of(folder / "comparison")
    before = page_of(folder / "0")
    assert app.main(["compare", str(folder / "0")]) == 0
    assert page_of(folder / "0") == before
    assert "joint model" in page_of(folder / "0" / "comparison")


@pytest.mark.usefixtures("wide")
def test_unfinished_runs_are_named_and_left_out(
    sweep: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(sweep, tmp_path / "sweep"))
    (folder / "3" / "metrics.json").unlink()
    assert app.main(["compare", str(folder), "--into", "page"]) == 0
    assert re.search(r"left out: .*sweep/3: not finished", capsys.readouterr().out)
    assert re.search(r"Left out.*sweep/3.*not finished", page_of(tmp_path / "page"), re.DOTALL)


@pytest.mark.usefixtures("wide")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere"], "nowhere: no folder"),
        (["SWEEP", "--sort", "speed"], "cannot be sorted by 'speed'"),
        (["SWEEP", "--filter", "adapter"], "'adapter' is no condition"),
        (["SWEEP", "--against", "adapter=star"], "there is no line called 'adapter=star'"),
        (["SWEEP", "--metric", "ndgc@10"], "did you mean 'ndcg@10'"),
        ([], "Missing argument"),
    ],
)
def test_mistakes_get_one_message_and_exit_code_2(
    sweep: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert app.main(["compare", *(str(sweep) if word == "SWEEP" else word for word in arguments)]) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err
    assert not (sweep / "comparison").exists()
