"""Makes real distributions with plugins: a module, its config files and the metadata that pip would write."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path

GOOD = """
from polyscene import Scenario, hookimpl

POLYSCENE_API = "1.0"


def load(config, data):
    raise RuntimeError("this scenario is never loaded")


@hookimpl
def polyscene_scenarios():
    return [Scenario({scenario!r}, load, title="A test scenario")]
"""


def install_plugin(
    site: Path,
    name: str,
    source: str,
    *,
    version: str = "0.2.0",
    configs: Mapping[str, str] | None = None,
    distribution: str = "",
) -> str:
    """Write the package ``polyscene_NAME`` and its metadata into ``site``, a folder on ``sys.path``.

    Args:
        site: stands for site-packages.
        name: name of the entry point.
        source: the module's code.
        version: version of the distribution.
        configs: texts of config files by path, such as ``scenario/podcast.yaml``.
        distribution: name of the distribution, ``polyscene-NAME`` if empty.

    Returns:
        The distribution's name.
    """
    distribution = distribution or f"polyscene-{name}"
    module = distribution.replace("-", "_")
    package = site / module
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(textwrap.dedent(source))
    for path, text in (configs or {}).items():
        file = package / "conf" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        (package / "conf" / "__init__.py").touch()
        file.write_text(textwrap.dedent(text))
    info = site / f"{module}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n")
    (info / "entry_points.txt").write_text(f"[polyscene.plugins]\n{name} = {module}\n")
    return distribution
