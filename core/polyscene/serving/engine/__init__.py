"""The engine: one loaded model version that answers requests of all its scenarios, in process."""

from __future__ import annotations

from polyscene.serving.engine.answers import Answer, ColumnInfo, Put, ScenarioInfo, Scored, Vectors
from polyscene.serving.engine.engine import Engine
from polyscene.serving.engine.requests import Request, Step

__all__ = ["Answer", "ColumnInfo", "Engine", "Put", "Request", "ScenarioInfo", "Scored", "Step", "Vectors"]
