"""The OpenAPI document and the commands of the help: complete, and as they stand they run."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner

from polyscene.cli.serve import serve
from polyscene.serving.client import Client
from polyscene.serving.document import document
from tests.serving.http.server import Server

DOCUMENT = json.loads(document())
OPERATIONS = [
    pytest.param(method, path, one, id=one["operationId"])
    for path, methods in DOCUMENT["paths"].items()
    for method, one in methods.items()
]
CURL = [
    line.strip()
    for line in (serve.epilog or "").replace("\\\n", " ").splitlines()
    if line.strip().startswith("curl ")
]
# The examples speak of films; what is served here are generated books.
HERE = {"video": "books", "42": "u01", "260": "i01", "1": "i02", "space battles and robots": "generated jazz"}


def here(value: Any) -> Any:
    """An example in the words of what is served here."""
    if isinstance(value, dict):
        return {key: here(one) for key, one in value.items()}
    if isinstance(value, list):
        return [here(one) for one in value]
    return HERE.get(value, value) if isinstance(value, str) else value


@pytest.mark.parametrize(("method", "path", "one"), OPERATIONS)
def test_every_answer_is_described(method: str, path: str, one: dict) -> None:
    assert one["description"]
    responses = one["responses"]
    assert {"200", "400", "404", "405", "421", "500"} <= responses.keys()
    assert ("422" in responses and "415" in responses) or method != "post"
    assert {"401", "403", "429"} <= responses.keys() or "security" not in one
    for status, response in responses.items():
        assert response["description"]
        [(kind, content)] = response["content"].items()
        if status == "200":
            assert content or kind == "text/plain"
            continue
        assert content["schema"]["$ref"].endswith("/ErrorBody")
        assert set(content["example"]["error"]) == {"what", "where", "fix", "kind"}
        assert ("headers" in response) == (status in ("429", "503"))


def test_the_server_and_the_command_give_the_same_document(server: Server, client: Client) -> None:
    assert httpx2.get(f"{server.url}/openapi.json").json() == DOCUMENT
    assert json.loads(CliRunner().invoke(serve, ["--openapi"]).output) == DOCUMENT


@pytest.mark.parametrize("name", ["RecommendIn", "SimilarIn", "ScoreIn", "HistoryIn", "FeedbackIn"])
def test_the_examples_of_the_document_run(name: str, server: Server, client: Client) -> None:
    path = f"/v1/{name.removesuffix('In').lower()}"
    body = DOCUMENT["paths"][path]["post"]["requestBody"]["content"]["application/json"]
    assert body["schema"]["$ref"].endswith(f"/{name}")
    [example] = DOCUMENT["components"]["schemas"][name]["examples"]
    response = httpx2.post(server.url + path, json=here(example))
    assert response.status_code == 200, response.text


@pytest.mark.parametrize("line", CURL)
def test_the_commands_of_the_help_run(line: str, server: Server, client: Client) -> None:
    curl = shutil.which("curl")
    assert curl is not None
    words = [word.replace("http://127.0.0.1:8000", server.url) for word in shlex.split(line)[1:]]
    words = [json.dumps(here(json.loads(word))) if word.startswith("{") else word for word in words]
    done = subprocess.run(
        [curl, "--fail-with-body", *words], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout
