"""The table: what the runs say, line by line, and how it is chosen and sorted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev

import numpy as np
import pytest

from polyscene.comparison.against import set_against
from polyscene.comparison.gather import compare
from polyscene.comparison.runs import Run
from polyscene.comparison.selection import filtered, ordered, scenarios_asked, with_metrics
from polyscene.comparison.table import Column, Comparison
from polyscene.errors import ConfigError

WARM = Column("shop", "all", "warm", "ndcg@10")


def labels(comparison: Comparison) -> list[str]:
    return [entry.label for entry in comparison.entries]


def test_figures_are_those_of_the_runs(comparison: Comparison, runs: list[Run]) -> None:
    assert labels(comparison)[:2] == ["adapter=none", "adapter=gate"]
    for entry, own in zip(comparison.entries, (runs[:2], runs[2:]), strict=False):
        for column in comparison.columns:
            values = [
                row["value"]
                for run in own
                for row in run.metrics["results"]
                if (row["scenario"], row["view"], row["population"], row["metric"])
                == (column.scenario, column.view, column.population, column.metric)
                and row["method"] == "joint"
            ]
            assert entry.mean(column) == (pytest.approx(fmean(values)) if values else None)
            if len(set(values)) > 1:
                assert entry.spread(column) == pytest.approx(stdev(values))


def test_values_of_single_requests_have_the_mean_of_the_figure(comparison: Comparison) -> None:
    checked = 0
    for entry in comparison.entries:
        for column, by_seed in entry.requests.items():
            for seed, values in by_seed.items():
                known = values[~np.isnan(values)]  # where there was something to find
                assert known.mean() == pytest.approx(entry.figures[column][seed], rel=1e-5)
                checked += 1
    assert checked > 20


def test_a_count_that_no_variant_changes_has_one_line(comparison: Comparison) -> None:
    [popularity] = [entry for entry in comparison.entries if entry.method == "popularity"]
    assert (popularity.label, popularity.own, dict(popularity.settings)) == ("popularity", False, {})
    assert {run.folder.name for run in popularity.runs} == {"0", "2"}


def test_a_single_variant_is_named_by_its_methods(runs: list[Run]) -> None:
    assert "joint model" in labels(compare(runs[:2]))


def test_costs(comparison: Comparison, runs: list[Run]) -> None:
    none, gate = comparison.entries[:2]
    trainable = [run.metrics["parameters"]["trainable"] for run in (runs[0], runs[2])]
    assert [none.cost["parameters"], gate.cost["parameters"]] == trainable
    assert none.cost["adapter_size"] == 0 < gate.cost["adapter_size"]
    assert none.cost["forwards"] == 0
    assert none.cost["memory"] > 0
    spent = [sum(methods["joint"] for methods in run.metrics["method_seconds"].values()) for run in runs[:2]]
    assert none.cost["seconds"] == pytest.approx(fmean(spent))


def test_the_mean_over_scenarios(comparison: Comparison) -> None:
    assert [column.scenario for column in comparison.headlines] == ["shop", "likes"]
    entry = comparison.entries[0]
    assert comparison.mean(entry) == pytest.approx(
        fmean(entry.mean(column) or 0 for column in comparison.headlines)
    )


def test_all_domains_together_are_not_averaged_with_the_domains() -> None:
    columns = [Column(name, "click", "warm", "auc") for name in ("video-young", "video-old", "video")]
    assert [column.scenario for column in Comparison(columns, []).averaged] == ["video-young", "video-old"]
    mixed = [Column("video", "all", "warm", "ndcg@10"), Column("ads", "click", "warm", "auc")]
    assert not Comparison(mixed, []).averaged


def test_the_best_is_the_lowest_where_lower_is_better(comparison: Comparison) -> None:
    column = next(column for column in comparison.columns if column.metric == "rmse")
    means = {entry.label: mean for entry in comparison.entries if (mean := entry.mean(column)) is not None}
    assert comparison.best(column) == {min(means, key=lambda label: means[label])}


def test_every_line_but_one_is_tested_against_it(comparison: Comparison) -> None:
    found = set_against(comparison)
    assert found.reference == "adapter=none"
    assert ("adapter=gate", WARM) in found.tests
    assert not any(label == "adapter=none" for label, _ in found.tests)
    test = found.tests["adapter=gate", WARM]
    none, gate = comparison.entries[:2]
    assert test.difference == pytest.approx((gate.mean(WARM) or 0) - (none.mean(WARM) or 0))
    assert (test.seeds, test.requests > 10) == (2, True)
    other = set_against(comparison, "popularity")
    assert other.tests["adapter=none", WARM].by_requests is not None
    with pytest.raises(ConfigError, match=r"(?s)no line called 'adapter=gat'.*did you mean 'adapter=gate'"):
        set_against(comparison, "adapter=gat")


def test_filters_on_figures_and_lines(comparison: Comparison) -> None:
    assert {column.scenario for column in filtered(comparison, ["scenario=sh*"]).columns} == {"shop"}
    assert {column.population for column in filtered(comparison, ["population=cold,cold_all"]).columns} == {
        *("cold", "cold_all")
    }
    assert labels(filtered(comparison, ["adapter=g?te"])) == ["adapter=gate", *labels(comparison)[2:]]
    assert labels(filtered(comparison, ["adapter=gate", "method=joint"])) == ["adapter=gate"]
    assert labels(filtered(comparison, ["adapter_size<1", "method=joint"])) == ["adapter=none"]
    assert labels(filtered(comparison, ["adapter_size>1", "method=joint"])) == ["adapter=gate"]
    assert labels(filtered(comparison, ["name=pop*"])) == ["popularity"]


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        ("adaptr=gate", "speaks of 'adaptr': did you mean 'adapter'"),
        ("adapter", "is no condition"),
        ("adapter<3", "compares what is no number"),
        ("seconds<soon", "compares what is no number"),
        ("scenario=vidio", "leaves nothing: there are: shop, likes"),
        ("adapter=gete", "leaves nothing: there are: none, gate"),
    ],
)
def test_filters_that_cannot_be_meant(comparison: Comparison, condition: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        filtered(comparison, [condition])


def test_metrics_are_the_first_of_each_or_those_named(comparison: Comparison) -> None:
    first = with_metrics(comparison, [])
    places = [(column.scenario, column.view, column.population) for column in first.columns]
    assert len(places) == len(set(places)) > 4
    assert {column.metric for column in with_metrics(comparison, ["mrr"]).columns} == {"mrr"}
    with pytest.raises(ConfigError, match=r"(?s)no run has 'mr'.*did you mean 'mrr'"):
        with_metrics(comparison, ["mr"])


def test_lines_are_sorted_best_first_or_least_first(comparison: Comparison) -> None:
    for by, value in (
        ("mean", comparison.mean),
        ("shop", lambda entry: entry.mean(WARM)),
        ("likes", lambda entry: entry.mean(replace(WARM, scenario="likes"))),
    ):
        shown = [found for entry in ordered(comparison, by).entries if (found := value(entry)) is not None]
        assert shown == sorted(shown, reverse=True)
        assert len(shown) > 2
    assert ordered(comparison, "adapter_size").entries[0].label == "adapter=none"
    assert labels(ordered(comparison, "name")) == sorted(labels(comparison))
    assert ordered(comparison, "") is comparison
    with pytest.raises(ConfigError, match=r"(?s)cannot be sorted by 'shoop'.*did you mean 'shop'"):
        ordered(comparison, "shoop")


def test_the_scenarios_that_conditions_leave(runs: list[Run]) -> None:
    assert scenarios_asked(runs, []) == ["likes", "shop"]
    assert scenarios_asked(runs, ["scenario=sh*", "adapter=gate"]) == ["shop"]


def test_labels_stay_apart_where_configs_differ_unseen(
    runs: list[Run], copied: Callable[[str, str], Path]
) -> None:
    folder = copied("0", "older")
    text = (folder / "resolved.yaml").read_text()
    (folder / "resolved.yaml").write_text(text + "of_an_older_version: 1\n")
    assert labels(compare([runs[0], Run(folder)]))[:2] == ["", "(older)"]
