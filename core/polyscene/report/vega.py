"""Vega, Vega-Lite and Vega-Embed as one script that a page carries with it."""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.metadata import version

from polyscene.data.cache import cache_folder
from polyscene.data.files import atomic_path
from polyscene.errors import PolysceneError

_SNIPPET = "window.vegaEmbed = vegaEmbed;"


@cache
def vega_script() -> str:
    """The script, which sets ``vegaEmbed``.

    Putting it together takes vl-convert a second, so it is kept in the cache; where that cannot be written it is
    made for each process.
    """
    key = hashlib.sha256(f"{version('vl-convert-python')} {_SNIPPET}".encode()).hexdigest()[:12]
    path = cache_folder() / "charts" / f"vega-{key}.js"
    if path.is_file():
        return path.read_text(encoding="utf-8")

    import vl_convert

    script = vl_convert.javascript_bundle(_SNIPPET)
    try:
        with atomic_path(path) as temporary:
            temporary.write_text(script, encoding="utf-8")
    except PolysceneError:
        return script
    return script
