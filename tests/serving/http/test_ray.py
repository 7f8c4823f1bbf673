"""The deployment file for Ray Serve: what it names is there, and mistakes in it are told before a start."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from polyscene.cli.serve import serve
from polyscene.config.arguments import from_arguments
from polyscene.errors import AccessError, ConfigError
from polyscene.serving import companions
from polyscene.serving.companions import ray_deployment
from polyscene.serving.config import ServeConfig
from polyscene.serving.keys import KeyFile

DOCUMENT = yaml.safe_load(ray_deployment())
[APPLICATION] = DOCUMENT["applications"]


def test_the_file_names_what_there_is() -> None:
    module, _, function = APPLICATION["import_path"].partition(":")
    tree = ast.parse((Path(companions.__file__).parent / f"{module.rpartition('.')[2]}.py").read_text())
    names = {one.name for one in tree.body if isinstance(one, ast.FunctionDef | ast.ClassDef)}
    assert {function, *(one["name"] for one in APPLICATION["deployments"])} <= names
    given = [f"{key}={value}" for key, value in APPLICATION["args"].items()]
    assert from_arguments(ServeConfig, given, where="ray", example="").workers == APPLICATION["args"]["workers"]
    assert CliRunner().invoke(serve, ["--ray"]).output == ray_deployment()


def test_ray_takes_it(tmp_path: Path) -> None:
    schema = pytest.importorskip("ray.serve.schema", reason="NO RAY: this test needs the extra ray")
    from polyscene.serving.ray import app

    assert schema.ServeDeploySchema.model_validate(DOCUMENT).applications[0].name == "polyscene"
    arguments = {"deployment": str(tmp_path), "workers": 3}
    with pytest.raises(AccessError, match="there is no file of keys"):
        app(arguments)
    KeyFile(tmp_path / "keys.json").new(["recommend"])
    assert app(arguments)._bound_deployment.num_replicas == 3
    with pytest.raises(ConfigError, match="did you mean 'workers'"):
        app({**arguments, "wrkers": 2})
