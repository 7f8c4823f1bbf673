"""Alert rules for Prometheus."""

from __future__ import annotations

from importlib.resources import files


def alert_rules() -> str:
    """The text of a file of rules, for ``rule_files`` of Prometheus' config."""
    return files("polyscene.serving").joinpath("alerts.yml").read_text(encoding="utf-8")
