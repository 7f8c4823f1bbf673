"""Experiments: what their files say is what a run gets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from polyscene.config.compose import compose
from polyscene.registry.host import load_host

ROOT = Path(__file__).parents[2]
EXPERIMENTS = sorted([*ROOT.glob("conf/experiment/*.yaml"), *ROOT.glob("plugins/*/conf/experiment/*.yaml")])


def leaves(mapping: Mapping[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for key, value in mapping.items():
        if isinstance(value, Mapping):
            yield from leaves(value, (*path, str(key)))
        else:
            yield (*path, str(key)), value


@pytest.mark.parametrize("file", EXPERIMENTS, ids=lambda path: path.stem)
def test_nothing_overrides_what_an_experiment_says(file: Path) -> None:
    said = yaml.safe_load(file.read_text(encoding="utf-8"))
    said.pop("defaults", None)
    composed = compose("train", [f"experiment={file.stem}"], load_host())
    for path, value in leaves(said):
        found: Any = composed
        for key in path:
            found = {str(name): one for name, one in found.items()}[key]
        assert found == value, ".".join(path)
