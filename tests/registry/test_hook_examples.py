"""The example of each hook is a plugin that works; that it prints what it says is tested with all docstrings."""

from __future__ import annotations

import doctest
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from polyscene import Enrichment, Tables, generate, hooks
from polyscene.registry.host import Host, load_host

Install = Callable[..., str]
HOOKS = sorted(name for name in vars(hooks) if name.startswith("polyscene_"))
SCENARIO = "# @package scenario.quiz\nmax_history: 7\n"


def example(hook: str) -> str:
    """The statements of a hook's example up to its first output: what a plugin's module would hold."""
    statements = doctest.DocTestParser().get_examples(getattr(hooks, hook).__doc__ or "")
    taken: list[str] = []
    for statement in statements:
        if statement.want:
            break
        taken.append(statement.source)
    return "".join(taken)


@pytest.fixture
def arguments(tmp_path: Path) -> dict[str, dict[str, Any]]:
    """What the engine passes to each hook."""
    tables = generate(users=5, items=8, interactions=20)
    return {
        "polyscene_enrich": {"scenario": "s", "tables": tables, "loaded": {}, "splits": {}, "options": {}},
        "polyscene_run_started": {"run": tmp_path, "config": {"scenario": {"s": {}}, "seed": 3}},
        "polyscene_epoch_finished": {"run": tmp_path, "step": 5, "metrics": {"s/ndcg@10": 0.5}},
        "polyscene_evaluated": {
            "run": tmp_path,
            "results": [{"scenario": "s", "method": "joint", "metric": "ndcg@10", "value": 0.5}],
        },
        "polyscene_run_finished": {"run": tmp_path, "status": "failed"},
    }


@pytest.fixture
def host_of(install: Install) -> Callable[[str], Host]:
    """A host with the example of a hook as its only plugin."""

    def make(hook: str) -> Host:
        install("quiz", example(hook), configs={"scenario/quiz.yaml": SCENARIO})
        host = load_host(allow=["quiz"])
        assert host.registry.names("adapter")
        return host

    return make


@pytest.mark.parametrize("hook", HOOKS)
def test_the_example_is_a_working_plugin_with_that_hook(
    hook: str, host_of: Callable[[str], Host], arguments: dict[str, dict[str, Any]]
) -> None:
    host = host_of(hook)
    [record] = [one for one in host.records if one.name == "quiz"]
    assert (record.status, record.reason, record.hooks) == ("active", "", [hook])
    assert list(host.call(hook, **arguments.get(hook, {}))) == ["quiz"]


def test_what_the_examples_bring_arrives(host_of: Callable[[str], Host]) -> None:
    host = host_of("polyscene_scenarios")
    assert host.scenario("podcast").title == "The next episode"
    with pytest.raises(Exception, match="podcasts"):
        host.scenario("podcast").load(None, None)  # a folder of theirs


def test_the_enricher_adds_nothing_without_texts(
    host_of: Callable[[str], Host], arguments: dict[str, dict[str, Any]]
) -> None:
    host, given = host_of("polyscene_enrich"), arguments["polyscene_enrich"]
    found = host.call("polyscene_enrich", **given)["quiz"]
    assert isinstance(found, Enrichment)
    assert found.items["text_words"].tolist() == [4.0] * 8
    tables: Tables = given["tables"]
    bare = Tables(items=tables.items[["item_id"]], interactions=tables.interactions)
    assert host.call("polyscene_enrich", **{**given, "tables": bare})["quiz"] is None


def test_the_note_of_a_finished_run_is_left_in_its_folder(
    host_of: Callable[[str], Host], arguments: dict[str, dict[str, Any]], tmp_path: Path
) -> None:
    host_of("polyscene_run_finished").call("polyscene_run_finished", **arguments["polyscene_run_finished"])
    assert (tmp_path / "status.txt").read_text() == "failed"
