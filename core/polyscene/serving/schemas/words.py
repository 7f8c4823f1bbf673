"""The small types that bodies are made of."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00]+$")]
"""An id or a name: 1 to 200 characters."""
Words = Annotated[str, StringConstraints(min_length=1, max_length=10_000, pattern=r"^[^\x00]+$")]
"""A text of people."""
Real = Annotated[float, Field(ge=-1e15, le=1e15, allow_inf_nan=False)]
"""A finite number."""
Time = Annotated[float, Field(ge=0, lt=1e11, allow_inf_nan=False, description="unix seconds, UTC")]
Share = Annotated[float, Field(gt=0, le=1, allow_inf_nan=False)]
Cell = Words | Real | bool | list[Name] | None
"""The value of a column of items: text, number, or a list of tags."""


class Bounds(BaseModel):
    """A range that a number must lie in, both ends included; either may be left out."""

    model_config = ConfigDict(extra="forbid")
    min: Real | None = None
    max: Real | None = None


Condition = Name | Real | list[Name | Real] | Bounds
"""A condition on a column: a value, one of several, or bounds."""


class Body(BaseModel):
    """What a request carries; unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Out(BaseModel):
    """What an answer carries."""

    model_config = ConfigDict(frozen=True, protected_namespaces=())


def example(**values: Any) -> ConfigDict:
    """The config of a body with an example that runs."""
    return ConfigDict(json_schema_extra={"examples": [values]})
