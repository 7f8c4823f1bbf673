"""Pages that need nothing outside themselves: one template, our style and script, every text escaped."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from polyscene.data.files import atomic_path
from polyscene.errors import CheckpointError
from polyscene.report import units
from polyscene.report.vega import vega_script

FILE = "report.html"
CONFIG = "resolved.yaml"
HOME = "polyscene.report"


def write_page(run: Path, template: str, values: Mapping[str, Any], home: str = HOME, *, name: str = "") -> Path:
    """Writes ``run/report.html`` and returns its path.

    Args:
        run: the run directory; its resolved.yaml and fingerprint.json are shown where they exist.
        template: a file in the folder ``page`` of a package; it may extend and import those beside this module.
        values: what the template names.
        home: that package.
        name: the title; the name of the directory if empty.

    Raises:
        CheckpointError: the page cannot be written.
    """
    path = run / FILE
    page = _render(run, template, {"name": name or run.resolve().name, **values}, home)
    with atomic_path(path, CheckpointError) as temporary:
        temporary.write_text(page, encoding="utf-8")
    return path


def _render(run: Path, template: str, values: Mapping[str, Any], home: str) -> str:
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(package, "page") for package in dict.fromkeys((home, HOME))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(figure=units.figure, duration=units.duration, memory=units.memory)
    style, scripts = _asset("page.css"), [vega_script(), _asset("page.js")]
    return environment.get_template(template).render(
        config=text_of(run / CONFIG),
        fingerprint=fingerprint_of(run),
        style=Markup(style),  # noqa: S704  (our own file)
        scripts=[Markup(script) for script in scripts],  # noqa: S704  (vl-convert's and our own)
        style_hash=_digest(style),
        script_hashes=[_digest(script) for script in scripts],
        **values,
    )


def _asset(name: str) -> str:
    return resources.files(HOME).joinpath("page", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    """What the page's content security policy names, so that nothing but our own script and style can act."""
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def text_of(path: Path) -> str:
    """What a file holds, nothing where it is missing."""
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""


def fingerprint_of(run: Path) -> Mapping[str, str]:
    """The fingerprint of a run as rows; nested values as JSON."""
    try:
        found: Any = json.loads(text_of(run / "fingerprint.json") or "{}")
    except ValueError:
        return {"fingerprint.json": "not valid JSON"}
    if not isinstance(found, dict):
        return {"fingerprint.json": json.dumps(found)}
    flat: dict[str, str] = {}
    for key, value in found.items():
        inner = value.items() if isinstance(value, dict) else [("", value)]
        for name, leaf in inner:
            label = f"{key} · {name}" if name else str(key)
            flat[label] = leaf if isinstance(leaf, str) else json.dumps(leaf, ensure_ascii=False)
    return flat
