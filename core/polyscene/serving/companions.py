"""Files that go with the service: alert rules for Prometheus, a deployment on a Ray cluster."""

from __future__ import annotations

from importlib.resources import files


def alert_rules() -> str:
    """The text of a file of rules, for ``rule_files`` of Prometheus' config."""
    return _text("alerts.yml")


def ray_deployment() -> str:
    """The text of a deployment file for Ray Serve."""
    return _text("ray.yml")


def _text(name: str) -> str:
    return files("polyscene.serving").joinpath(name).read_text(encoding="utf-8")
