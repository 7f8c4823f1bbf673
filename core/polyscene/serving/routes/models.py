"""Versions of the model: which serves, another one, the one before."""

from __future__ import annotations

import asyncio
from typing import Annotated

from fastapi import APIRouter

from polyscene.errors import ServingError
from polyscene.serving.access import Caller, needs
from polyscene.serving.problems import Refusal
from polyscene.serving.routes.shared import KEYED, Serving, refusals
from polyscene.serving.schemas import Model, ModelVersion, PromoteIn, RollBackIn
from polyscene.serving.service import Service

Admin = Annotated[Caller, needs("admin")]
router = APIRouter(prefix="/v1/models", tags=["models"], responses=refusals(*KEYED, 409, 422, 503))


@router.get("", operation_id="models")
async def models(service: Serving, caller: Admin) -> Model:
    """The version that serves, and those that could."""
    return await _model(service)


@router.post("/promote", operation_id="promote")
async def promote(given: PromoteIn, service: Serving, caller: Admin) -> Model:
    """Load a version beside the one that serves, and let it take over if that succeeds. No request is lost."""
    try:
        await service.versions.promote(given.version, by=caller.name, why=given.why)
    except ServingError as error:
        raise _refused(error) from error
    return await _model(service)


@router.post("/rollback", operation_id="roll_back")
async def roll_back(given: RollBackIn, service: Serving, caller: Admin) -> Model:
    """Let the version take over that served before the promoted one."""
    try:
        await service.versions.roll_back(by=caller.name, why=given.why)
    except ServingError as error:
        raise _refused(error) from error
    return await _model(service)


async def _model(service: Service) -> Model:
    return await asyncio.to_thread(_read, service)


def _read(service: Service) -> Model:
    deployment, serving = service.deployment, service.versions.serving
    promoted = deployment.promoted()
    name, since = (promoted.version, promoted.time) if promoted else (serving, 0.0)
    adopted = {
        entry["version"]: entry["time"] for entry in deployment.audit.entries() if entry["action"] == "adopt"
    }
    versions = [
        ModelVersion(version=version, promoted=version == name, adopted=adopted.get(version))
        for version in deployment.versions()
    ]
    return Model(serving=serving, promoted=name, since=since, versions=versions)


def _refused(error: ServingError) -> Refusal:
    return Refusal(409, "version", error.what, where=error.where, fix=error.fix)
