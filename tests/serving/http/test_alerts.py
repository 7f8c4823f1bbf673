"""Alert rules: Prometheus would read them, and every series that they name is one that is measured."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from polyscene.cli.serve import serve
from polyscene.serving.companions import alert_rules
from polyscene.serving.metrics import Metrics

RULES = [rule for group in yaml.safe_load(alert_rules())["groups"] for rule in group["rules"]]


def test_rules_have_what_prometheus_asks_for() -> None:
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 10
    for rule in RULES:
        assert set(rule) <= {"alert", "expr", "for", "labels", "annotations"}
        assert rule["labels"]["severity"] in ("page", "ticket")
        assert rule["annotations"]["summary"].endswith(".")
        assert re.fullmatch(r"\d+[mh]", rule.get("for", "1m"))
        assert rule["expr"].count("(") == rule["expr"].count(")")


def test_every_series_is_measured_with_these_labels() -> None:
    known: dict[str, set[str]] = {}
    for series in Metrics().registry._names_to_collectors.values():
        labels = set(getattr(series, "_labelnames", ()))
        for family in series.describe():
            suffixes = {"counter": ["_total"], "histogram": ["_bucket"], "gauge": [""]}[family.type]
            known |= {
                family.name + suffix: labels | ({"le"} if suffix == "_bucket" else set()) for suffix in suffixes
            }
    named = [
        (name, found) for rule in RULES for name, found in re.findall(r"(polyscene_\w+)(\{[^}]*\})?", rule["expr"])
    ]
    assert len(named) >= len(RULES)
    for name, matchers in named:
        assert name in known, f"no series is called {name}"
        assert set(re.findall(r"(\w+)\s*(?:=~|!=|!~|=)", matchers)) <= known[name]


def test_promtool_reads_them(tmp_path: Path) -> None:
    """By Prometheus' own tool, where it is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip(
            "NO PROMTOOL: it comes with Debian's package prometheus; their structure is tested all the same"
        )
    (tmp_path / "alerts.yml").write_text(alert_rules())
    subprocess.run([promtool, "check", "rules", str(tmp_path / "alerts.yml")], check=True)


def test_the_command_prints_them() -> None:
    assert CliRunner().invoke(serve, ["--alerts"]).output == alert_rules()
