"""Plugins that break in the middle of a run: they are named, the run ends cleanly, and its checkpoint is kept."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyscene.cli.app import main
from polyscene.errors import PluginError
from polyscene.registry.discovery import Candidate
from polyscene.registry.host import ALLOW_VARIABLE, Host
from polyscene.testing.backbone import write_small_backbone
from polyscene.testing.runs import SHORT, short_config
from polyscene.training.run import train

HostNamed = Callable[..., Host]
BROKEN = "plugin 'broken_parts' (polyscene-broken 0.0.1) failed: "


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_small_backbone(tmp_path_factory.mktemp("backbone"))


def loss(name: str) -> dict[str, Any]:
    return {"tasks": [{"name": "ranking", "options": {"loss": name}}]}


PARTS = {
    "loss=mean": (loss("mean"), {}, "MeanLoss returned a tensor [] instead of ["),
    "loss=leaving": (loss("leaving"), {}, "SystemExit: 3 (polyscene_broken/parts.py:"),
    "loss=unbuilt": (loss("unbuilt"), {}, "AttributeError: no such option (polyscene_broken/parts.py:"),
    "adapter=wide": ({}, {"adapter": {"name": "wide"}}, "WideAdapter returned a tensor ["),
    "encoder=absent": (
        {"columns": {"items": {"group": "absent"}}},
        {},
        "AttributeError: 'AbsentEncoder' object has no",
    ),
}


@pytest.mark.parametrize("part", PARTS)
def test_a_part_that_breaks_is_named_with_its_plugin(part: str, host_named: HostNamed, tmp_path: Path) -> None:
    options, groups, words = PARTS[part]
    host = host_named("broken_parts")
    config = short_config(host, {"parts": options}, run=tmp_path / "run", **groups)
    with pytest.raises(PluginError) as caught:
        train(config, host)
    assert caught.value.what.startswith(BROKEN + words)
    assert "polyscene plugins check broken_parts" in caught.value.fix
    assert "Traceback" in (tmp_path / "run" / "log.txt").read_text(encoding="utf-8"), "for who mends it"


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("load_raises", "KeyError: 'articles' (polyscene_broken/loads.py:"),
        ("load_returns", "load() returned list"),
    ],
)
def test_data_that_cannot_be_had_are_named(
    scenario: str, words: str, host_named: HostNamed, tmp_path: Path
) -> None:
    host = host_named("broken_loads")
    with pytest.raises(PluginError) as caught:
        train(short_config(host, {scenario: {}}, run=tmp_path / "run"), host)
    assert caught.value.what.startswith(f"plugin 'broken_loads' (polyscene-broken 0.0.1) failed: {words}")


def test_a_run_that_broke_late_goes_on_from_its_checkpoint(
    candidates: list[Candidate],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """On the command line: exit code 2 and no traceback; once it is mended, the same command ends the run."""
    import polyscene_broken.parts

    monkeypatch.setattr("polyscene.registry.host.find_candidates", lambda: candidates)
    monkeypatch.setenv(ALLOW_VARIABLE, "broken_parts")
    monkeypatch.setenv("COLUMNS", "300")
    run = tmp_path / "run"
    tasks = "scenario.parts.tasks=[{name: ranking, options: {loss: late}}]"
    command = ["train", "scenario=parts", tasks, *SHORT, "trainer.steps=8", f"run.dir={run}"]
    assert main(command) == 2
    said = capsys.readouterr().err
    assert BROKEN + "ZeroDivisionError: weights sum to 0 (polyscene_broken/parts.py:" in said
    assert f"run.dir={run}" in said
    assert "Traceback" not in said
    [state] = sorted((run / "checkpoints" / "joint").glob("training-*.safetensors"))
    assert state.name == "training-4.safetensors"
    assert not (run / "metrics.json").exists()

    monkeypatch.setattr(polyscene_broken.parts, "MENDED", True)
    assert main(command) == 0
    steps = [json.loads(line)["step"] for line in (run / "metrics.jsonl").read_text().splitlines()]
    assert sorted(set(steps)) == [2, 4, 6, 8]
    assert (run / "metrics.json").is_file()


def test_a_run_goes_on_without_listeners_and_enrichers_that_break(
    host_named: HostNamed, backbone: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Two good third-party packages train together, beside everything that breaks around them."""
    host = host_named("news", "adapters", "broken_listener", "broken_enricher", "broken_enrichment")
    overrides = (f"backbone.model={backbone}", f"data.cache={tmp_path / 'cache'}", "adapter=bend")
    run = train(short_config(host, {"news": {}}, *overrides, run=tmp_path / "run"), host)
    assert json.loads((run / "metrics.json").read_text(encoding="utf-8"))["results"]
    for name, reason in (
        ("listener", "its hook polyscene_epoch_finished failed: OSError: the disk of the dashboard is full"),
        ("enricher", "its hook polyscene_enrich failed: KeyError: 'news'"),
        ("enrichment", "its hook polyscene_enrich failed: its enrichment declares columns that its frame lacks"),
    ):
        complaint = f"plugin 'broken_{name}' (polyscene-broken 0.0.1) is broken: {reason}"
        assert caplog.text.count(complaint) == 1, "said once, and not asked again"


def test_a_run_of_a_scenario_whose_own_enricher_breaks_is_not_what_was_asked_for(
    host_named: HostNamed, tmp_path: Path
) -> None:
    host = host_named("broken_enricher")
    with pytest.raises(PluginError, match="its hook polyscene_enrich failed: KeyError: 'enriched'"):
        train(short_config(host, {"enriched": {}}, run=tmp_path / "run"), host)
