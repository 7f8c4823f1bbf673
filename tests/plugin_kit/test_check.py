"""``polyscene plugins check``: what holds, what does not, how to mend it; of folders and of installed plugins."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from pathlib import Path

import pytest

from polyscene.registry.host import ALLOW_VARIABLE, Host
from polyscene.scaffold import new_plugin
from tests.plugin_factory import GOOD, install_plugin
from tests.plugin_kit.conftest import NAMES, Said

Run = Callable[..., Said]
CopyOf = Callable[[str], Path]

ENCODER = """

from polyscene import Component, Encoder, Id, Scenario, Text


class Greedy(Encoder):
    def fit(self, values, context):
        raise KeyError("no such frame")

    fitted = load_fitted = bind = forward = fit


@hookimpl
def polyscene_components():
    return [Component("encoder", "greedy", Greedy)]
"""
SCENARIO = """

@hookimpl
def polyscene_scenarios():
    return [Scenario("encoded", None, (Text(encoder="greedy"), Id()))]
"""


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize("kind", NAMES)
def test_a_new_plugin_has_nothing_to_mend(kind: str, written: Path, polyscene: Run) -> None:
    name = NAMES[kind]
    said = polyscene("plugins", "check", str(written / name))
    assert said.code == 0, said.out
    lines = said.out.splitlines()
    assert lines[0] == f"plugin '{name}'  polyscene-{name} 0.1.0, polyscene_{name}"
    assert lines[-1] == "nothing to mend"
    [tests] = [line for line in lines if f"{kind}/{name}: " in line]
    assert int(tests.split(": ")[1].split()[0]) >= 9
    assert (any(f"config {kind}=" in line for line in lines)) == (kind in ("scenario", "adapter"))
    assert "FAIL" not in said.out
    assert "note" not in said.out


def test_several_at_once(written: Path, polyscene: Run) -> None:
    said = polyscene("plugins", "check", str(written / "focal"), str(written / "squeeze"))
    assert said.code == 0, said.out
    assert [line.split("'")[1] for line in said.out.splitlines() if line.startswith("plugin ")] == [
        "focal",
        "squeeze",
    ]


@pytest.mark.parametrize(
    ("name", "brings", "says"),
    [
        ("alone", ENCODER, "FAIL  encoder/greedy: vectors have the declared width"),
        ("shown", ENCODER + SCENARIO, "note  encoder/greedy: tested with its scenario only"),
    ],
)
def test_an_encoder_that_reads_more_than_a_column(
    name: str, brings: str, says: str, installed: Host, polyscene: Run
) -> None:
    module = new_plugin(name, "loss", Path(), installed).folder / f"polyscene_{name}" / "__init__.py"
    module.write_text(module.read_text() + brings)
    said = polyscene("plugins", "check", name)
    assert says in said.out
    assert said.out.count("KeyError: 'no such frame' (") == 1, "the same reason once for all tests"


def test_a_row_that_hears_the_others(copy_of: CopyOf, polyscene: Run) -> None:
    folder = copy_of("adapter")
    edit(
        folder / "polyscene_squeeze/adapter.py",
        "inner_Nr = routed",
        "h_Nd = h_Nd - h_Nd.mean(0)\n        inner_Nr = routed",
    )
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 1
    assert "FAIL  adapter/squeeze: a row does not depend on the other rows" in said.out
    assert "in eval mode a row's output changes with the batch" in said.out
    assert said.out.splitlines()[-1].endswith(" to mend")


def test_a_loss_with_the_wrong_sign(copy_of: CopyOf, polyscene: Run) -> None:
    folder = copy_of("loss")
    edit(folder / "polyscene_focal/loss.py", "return loss_BT *", "return -loss_BT *")
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 1
    assert "FAIL  loss/focal: a higher score of what happened lowers the loss" in said.out
    assert "a better score of the step's item raises the loss" in said.out


def test_a_prior_that_knows_the_row_that_it_is_asked_for(copy_of: CopyOf, polyscene: Run) -> None:
    folder = copy_of("prior")
    edit(folder / "polyscene_common/prior.py", "if hidden is not None:", "if hidden is past:")
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 1
    assert "FAIL  prior/common: hidden rows were never counted" in said.out
    assert "take all that they added out of the counts" in said.out


def test_a_prior_that_reads_more_than_the_kit_has(copy_of: CopyOf, polyscene: Run) -> None:
    folder = copy_of("prior")
    needs = """
    def __init__(self, config, data):
        super().__init__(config, data)
        if "shelf" not in data.tables.items:
            raise DataError("there is no column 'shelf'", where=data.where, fix="declare it")

    def observe(self"""
    edit(folder / "polyscene_common/prior.py", "\n    def observe(self", needs)
    edit(folder / "polyscene_common/prior.py", "ConfigError, ", "ConfigError, DataError, ")
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 0, said.out
    assert "note  prior/common: a test of yours has to say what it reads" in said.out
    assert "there is no column 'shelf'" in said.out


def test_an_error_in_the_plugin_is_told_with_its_place(copy_of: CopyOf, polyscene: Run) -> None:
    folder = copy_of("loss")
    edit(folder / "polyscene_focal/loss.py", "return loss_BT *", "return self.missing *")
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 1
    line = 1 + (folder / "polyscene_focal/loss.py").read_text().split("self.missing")[0].count("\n")
    assert "AttributeError: 'FocalLoss' object has no attribute 'missing' (" in said.out
    assert f"(polyscene_focal/loss.py:{line})" in said.out


def test_a_config_with_a_misspelled_option(copy_of: CopyOf, polyscene: Run) -> None:
    folder = copy_of("adapter")
    edit(folder / "polyscene_squeeze/conf/adapter/squeeze.yaml", "rank: 4", "rnk: 4")
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 1
    assert "FAIL  config adapter=squeeze" in said.out
    assert "rnk" in said.out
    assert "did you mean 'rank'" in said.out


def test_a_scenario_whose_rows_come_in_another_order(installed: Host, polyscene: Run, tmp_path: Path) -> None:
    folder = new_plugin("shuffled", "scenario", tmp_path, installed).folder
    edit(folder / "polyscene_shuffled/__init__.py", 'interactions.csv"),', 'interactions.csv").sample(frac=1),')
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 1
    assert "FAIL  scenario/shuffled: loading twice gives the same tables" in said.out
    assert "load() gives other rows, or another order" in said.out


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            "@hookimpl",
            "import not_there\n@hookimpl",
            ["cannot be imported", "not_there", "add it to"],
        ),
        ('"1.0"', '"9.0"', ["was written for API 9.0", "install matching versions"]),
        (
            "def polyscene_components",
            "def polyscene_component",
            ["unknown hook", "did you mean 'polyscene_components'"],
        ),
        ('"loss")', '"lost")', ["its hook polyscene_components failed", "a working example"]),
    ],
)
def test_a_plugin_that_cannot_be_loaded(
    old: str, new: str, says: list[str], copy_of: CopyOf, polyscene: Run
) -> None:
    folder = copy_of("loss")
    edit(folder / "polyscene_focal/__init__.py", old, new)
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 1
    assert "FAIL  it can be loaded" in said.out
    assert [part for part in says if part not in said.out] == []


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (
            '"polyscene.plugins"',
            '"polyscene.plugin"',
            ["it declares no plugin", "mean 'polyscene.plugin'"],
        ),
        (
            '= "polyscene_focal"',
            '= "polyscene_vocal"',
            ["polyscene_vocal, which is not in this folder"],
        ),
        ("[project]", "[project", ["it is no valid TOML", "mend it"]),
    ],
)
def test_a_pyproject_that_names_no_plugin(
    old: str, new: str, says: list[str], copy_of: CopyOf, polyscene: Run
) -> None:
    folder = copy_of("loss")
    edit(folder / "pyproject.toml", old, new)
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 2
    assert [part for part in says if part not in said.err] == []


def test_nothing_to_check(polyscene: Run, tmp_path: Path) -> None:
    said = polyscene("plugins", "check", "vidoe")
    assert said.code == 2
    assert "'vidoe' is neither a folder nor an installed plugin" in said.err
    assert "did you mean 'video'?" in said.err
    (tmp_path / "empty").mkdir()
    said = polyscene("plugins", "check", "empty")
    assert said.code == 2
    assert "empty/pyproject.toml: there is no such file" in said.err


def test_without_pytest_it_says_what_to_install(polyscene: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pytest" else found(name))
    said = polyscene("plugins", "check", "video")
    assert said.code == 2
    assert "pip install 'polyscene[testing]'" in said.err


def test_a_folder_in_which_modules_are_below_src(copy_of: CopyOf, polyscene: Run) -> None:
    folder = copy_of("loss")
    (folder / "src").mkdir()
    (folder / "polyscene_focal").rename(folder / "src" / "polyscene_focal")
    said = polyscene("plugins", "check", str(folder))
    assert said.code == 0, said.out


def test_a_folder_counts_more_than_its_installed_twin(
    copy_of: CopyOf, polyscene: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin(tmp_path / "site", "focal", "import not_there\n")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    importlib.invalidate_caches()
    said = polyscene("plugins", "check", str(copy_of("loss")))
    assert said.code == 0, said.out
    assert said.out.startswith("plugin 'focal'  polyscene-focal 0.1.0")


def test_an_installed_plugin_by_its_name(polyscene: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    install_plugin(site, "ready", GOOD.format(scenario="ready"))
    monkeypatch.syspath_prepend(str(site))
    monkeypatch.setenv(ALLOW_VARIABLE, "ready")
    importlib.invalidate_caches()
    said = polyscene("plugins", "check", "ready")
    assert said.code == 1
    assert "plugin 'ready'  polyscene-ready 0.2.0" in said.out
    assert "RuntimeError: this scenario is never loaded (polyscene_ready/__init__.py:" in said.out
