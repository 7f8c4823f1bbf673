"""The wheel holds the packages, configs and data files of the source tree, and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

ROOTS = {"core": "", "plugins": "", "conf": "polyscene/conf/"}
GUIDES = ("plugins/README.md", "conf/README.md")


@pytest.fixture(scope="module")
def wheel(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    [path] = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_exactly_the_source_files(repository: Path, wheel: zipfile.ZipFile) -> None:
    expected = {
        prefix + path.relative_to(repository / root).as_posix()
        for root, prefix in ROOTS.items()
        for path in (repository / root).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and not path.name.startswith(".")
        if path.relative_to(repository).as_posix() not in GUIDES
    }
    inside = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert inside == expected
    assert not [name for name in inside if "/" not in name], "nothing lies beside the packages"


def test_it_holds_what_a_run_needs(wheel: zipfile.ZipFile) -> None:
    names = wheel.namelist()
    for suffix in ("polyscene/py.typed", "polyscene/conf/train.yaml", "polyscene/report/metrics.schema.json"):
        assert suffix in names
    for scenario in ("ecommerce", "video", "music", "social", "kg"):
        assert f"polyscene_{scenario}/py.typed" in names
        assert f"polyscene_{scenario}/conf/scenario/{scenario}.yaml" in names
    assert any(name.startswith("polyscene_kg/") and name.endswith(".parquet") for name in names), (
        "film links of kg"
    )
    assert not any(name.startswith(("tests/", "benchmarks/")) for name in names)


def test_its_metadata(wheel: zipfile.ZipFile) -> None:
    [folder] = {name.split("/")[0] for name in wheel.namelist() if ".dist-info/" in name}
    metadata = Parser().parsestr(wheel.read(f"{folder}/METADATA").decode())
    assert metadata["License-Expression"] == "Apache-2.0"
    assert f"{folder}/licenses/LICENSE" in wheel.namelist()
    entry_points = wheel.read(f"{folder}/entry_points.txt").decode()
    assert "polyscene = polyscene.cli.app:main" in entry_points
    for scenario in ("ecommerce", "video", "music", "social", "kg"):
        assert f"{scenario} = polyscene_{scenario}" in entry_points


def test_it_runs_from_elsewhere_without_the_source_tree(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """Unpacked beside the installed dependencies, and found before the source tree, it lists its plugins."""
    site = tmp_path / "site"
    wheel.extractall(site)
    code = (
        "import sys, polyscene; assert polyscene.__file__.startswith(sys.argv.pop(1)), polyscene.__file__\n"
        "from polyscene.cli.app import main; sys.exit(main())"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    result = subprocess.run(
        [sys.executable, "-c", code, str(site), "plugins", "list"],
        cwd=elsewhere,
        env={**os.environ, "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    for scenario in ("ecommerce", "video", "music", "social", "kg"):
        assert scenario in result.stdout
    assert list(elsewhere.iterdir()) == [], "listing plugins writes nothing"
