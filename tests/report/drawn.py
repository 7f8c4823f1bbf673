"""The specs that a page or a chart carries."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

_FIGURE = re.compile(
    r'<figure class="chart" aria-label="(.*?)">.*?<script type="application/json">(.*?)</script>', re.DOTALL
)


def specs(text: str) -> dict[str, dict[str, Any]]:
    """Vega-Lite specs by title, in the order of the page."""
    return {unescape(title): json.loads(spec) for title, spec in _FIGURE.findall(str(text))}
