"""A chart as a part of a page: its Vega-Lite spec beside the place where ``page.js`` draws it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

DIGITS = 6


def chart(title: str, description: str, spec: Mapping[str, Any], *, caption: str = "", width: int = 0) -> Markup:
    """A ``figure`` that fills the width it is given.

    Args:
        title: what is shown, for the table of contents of a screen reader and for tests.
        description: the figures in words, for those who do not see the drawing.
        spec: a Vega-Lite spec without size, colors of axes and fonts, which ``page.js`` adds.
        caption: what stands below.
        width: pixels below which the chart scrolls instead of shrinking.
    """
    whole = {"description": f"{title}: {description}", "width": "container", "usermeta": {"width": width}, **spec}
    # Inside a script element only "<" could end it; everything else of JSON is inert there.
    text = json.dumps(_short(whole), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return Markup(
        '<figure class="chart" aria-label="{}"><div class="scroll" tabindex="0"><div class="plot"></div></div>'
        '<script type="application/json">{}</script>{}</figure>'
    ).format(
        title,
        Markup(text.replace("<", "\\u003c")),  # noqa: S704  (JSON that cannot leave its element)
        Markup("<figcaption>{}</figcaption>").format(caption) if caption else "",
    )


def _short(value: Any) -> Any:
    """Numbers with as many digits as a drawing can show; one that is not finite leaves a gap."""
    if isinstance(value, float):
        return float(f"{value:.{DIGITS}g}") if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _short(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_short(inner) for inner in value]
    return value
