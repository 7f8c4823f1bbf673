"""``polyscene plugins list`` and ``describe``: where a plugin comes from, whether it works, what it brings."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from polyscene.registry.host import ALLOW_VARIABLE
from polyscene.registry.options import Option, options_of
from tests.plugin_factory import install_plugin
from tests.plugin_kit.conftest import Said

Run = Callable[..., Said]


def test_the_list_has_distribution_version_and_status(polyscene: Run) -> None:
    said = polyscene("plugins", "list")
    [row] = [line for line in said.out.splitlines() if line.startswith("│ video")]
    assert [cell.strip() for cell in row.strip("│").split("│")][:4] == ["video", "active", "polyscene", "0.1.0"]


def test_a_description_names_hooks_and_every_option_with_its_meaning(polyscene: Run) -> None:
    said = polyscene("plugins", "describe", "video")
    assert said.code == 0
    lines = [line.rstrip() for line in said.out.splitlines()]
    facts = dict(line.split(maxsplit=1) for line in lines[: lines.index("")])
    assert facts["status"] == "active"
    assert facts["distribution"] == "polyscene 0.1.0"
    assert facts["hooks"] == "polyscene_components, polyscene_config_paths, polyscene_scenarios"
    assert facts["brings"] == "scenario/video, encoder/watch_gap, adapter/excitation, loss/rating_weighted"
    at = lines.index("  rank: int = 8")
    assert lines[at - 1].startswith("adapter/excitation  z = h * (1 + tanh(")
    assert lines[at + 1] == "      width r of the squeeze"
    assert "  max_history: int = 50" in lines  # what every scenario has


def test_a_description_as_json(polyscene: Run) -> None:
    shown = json.loads(polyscene("plugins", "describe", "video", "--json").out)
    assert shown["status"] == "active"
    assert set(shown["brings"]) == {*shown["components"], "scenario/video"}
    [bins, minutes] = shown["brings"]["encoder/watch_gap"]["options"]
    assert (bins["name"], bins["default"], minutes["type"]) == ("bins", 8, "float")
    options = {option["name"]: option for option in shown["brings"]["scenario/video"]["options"]}
    assert not options["dataset"]["inherited"]
    assert options["share"]["inherited"]
    assert all(option["text"] for option in options.values())


def test_a_broken_plugin_is_described_with_its_reason(
    polyscene: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install_plugin(tmp_path / "site", "cracked", "import not_there\n", version="0.3")
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    monkeypatch.setenv(ALLOW_VARIABLE, "cracked")
    importlib.invalidate_caches()
    said = polyscene("plugins", "describe", "cracked")
    assert said.code == 0
    assert "broken" in said.out
    assert "No module named 'not_there'" in said.out
    assert "polyscene-cracked 0.3" in said.out


def test_a_plugin_that_is_not_there(polyscene: Run) -> None:
    said = polyscene("plugins", "describe", "vidoe")
    assert said.code == 2
    assert "no plugin is called 'vidoe'" in said.err
    assert "did you mean 'video'?" in said.err


@dataclass(kw_only=True)
class Base:
    """Options of all.

    Args:
        kept: said by
            the base.
        changed: said by the base.
    """

    kept: int = 1
    changed: str = ""


@dataclass(kw_only=True)
class Own(Base):
    """Options of one.

    Args:
        changed: said by ``Own`` itself.
    """

    must: float
    silent: list[int] = field(default_factory=list)
    below: bool = False
    """Said below the field."""
    changed: str = "x"


def test_options_own_ones_first_with_what_is_said_of_them() -> None:
    assert options_of(Own) == [
        Option("changed", "str", "x", "said by Own itself"),
        Option("must", "float", None, "", required=True),
        Option("silent", "list[int]", [], ""),
        Option("below", "bool", False, "Said below the field"),
        Option("kept", "int", 1, "said by the base", inherited=True),
    ]
    assert options_of(None) == []
