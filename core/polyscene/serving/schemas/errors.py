"""The body of every refusal."""

from __future__ import annotations

from pydantic import Field

from polyscene.serving.schemas.words import Out


class Problem(Out):
    """What is wrong, where, and what to do."""

    what: str
    where: str = ""
    fix: str = ""
    kind: str = Field(description="one word for programs")


class ErrorBody(Out):
    """The body of every answer that is no success."""

    error: Problem
