"""Writes the package of a new plugin."""

from __future__ import annotations

import importlib.metadata
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from polyscene.errors import PluginError
from polyscene.hooks import API_VERSION
from polyscene.registry.host import Host
from polyscene.scaffold.names import check_name, distribution_of, package_of
from polyscene.scaffold.sample import sample_files

KINDS = ("scenario", "adapter", "loss", "prior", "policy")
_SUFFIX = ".j2"
_TEMPLATES = resources.files("polyscene.scaffold") / "templates"


@dataclass(frozen=True)
class NewPlugin:
    """A package that was written.

    Args:
        name: the plugin's name, and that of the one thing it brings.
        kind: what it brings, one of :data:`KINDS`.
        folder: where it is.
        files: what is in it, relative to the folder.
    """

    name: str
    kind: str
    folder: Path
    files: tuple[str, ...]


def new_plugin(name: str, kind: str, parent: Path, host: Host) -> NewPlugin:
    """Write the package of a new plugin into ``parent/name``; all of it or, after an error, nothing.

    Args:
        name: a lower-case identifier that nobody uses.
        kind: one of :data:`KINDS`: what the plugin brings to begin with.
        parent: the folder that gets the new one.
        host: knows the names that are taken.

    Raises:
        PluginError: the name will not do, the folder has something in it, or it cannot be written.
    """
    check_name(name, kind, host)
    folder = parent / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise PluginError(
            "there is something already", where=str(folder), fix="choose another name, or another folder (--into)"
        )
    files = _files(name, kind)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=parent, prefix=".new-plugin-") as temporary:
            made = Path(temporary) / name
            for path, text in files.items():
                file = made / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(text, encoding="utf-8")
            made.rename(folder)
    except OSError as error:
        raise PluginError(
            f"the package cannot be written ({error.strerror})",
            where=str(folder),
            fix="choose another folder (--into)",
        ) from None
    return NewPlugin(name, kind, folder, tuple(sorted(files)))


def _files(name: str, kind: str) -> dict[str, str]:
    """Texts of all files by path inside the package."""
    words = [word.capitalize() for word in name.split("_")]
    values = {
        "name": name,
        "package": package_of(name),
        "distribution": distribution_of(name),
        "class": "".join(words),
        "title": " ".join(words),
        "summary": f"The {kind} {name} for Polyscene",
        "api": ".".join(map(str, API_VERSION)),
        "polyscene": importlib.metadata.version("polyscene"),
    }
    # Plain text: there is nothing to escape.
    environment = Environment(
        loader=FunctionLoader(_source),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
        autoescape=select_autoescape(()),
    )
    files: dict[str, str] = {}
    for part in ("common", kind):
        for path in _paths(_TEMPLATES / part):
            template = environment.get_template(f"{part}/{path}{_SUFFIX}")
            files[_target(path, values)] = template.render(values)
    if kind == "scenario":
        files |= {f"{values['package']}/{path}": text for path, text in sample_files().items()}
    return files


def _target(path: str, values: Mapping[str, str]) -> str:
    """Where a template's text goes inside the package."""
    folder, _, rest = path.partition("/")
    if folder == "package":
        path = f"{values['package']}/{rest}"
    return {"gitignore": ".gitignore"}.get(path, path).replace("NAME", values["name"])


def _paths(folder: Traversable, at: str = "") -> Iterator[str]:
    """Every template in a folder, without the suffix."""
    for entry in sorted(folder.iterdir(), key=lambda one: one.name):
        if entry.is_dir():
            yield from _paths(entry, f"{at}{entry.name}/")
        elif entry.name.endswith(_SUFFIX):
            yield f"{at}{entry.name.removesuffix(_SUFFIX)}"


def _source(path: str) -> str:
    return (_TEMPLATES / path).read_text(encoding="utf-8")
