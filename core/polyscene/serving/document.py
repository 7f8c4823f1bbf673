"""The OpenAPI document, without a model."""

from __future__ import annotations

import json

from polyscene.serving.app import bare_app


def document() -> str:
    """The OpenAPI document as JSON."""
    return json.dumps(bare_app().openapi(), indent=1, ensure_ascii=False)
