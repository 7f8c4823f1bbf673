"""The application: routes, errors and the gate around them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from importlib.metadata import version

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from polyscene.errors import PolysceneError
from polyscene.serving.access import Access
from polyscene.serving.config import LOOPBACK, LimitsConfig
from polyscene.serving.gate import Gate
from polyscene.serving.keys import KeyFile
from polyscene.serving.limits import RateLimit
from polyscene.serving.problems import Refusal, refusal_of
from polyscene.serving.routes import ROUTERS
from polyscene.serving.routes.health import keep_measuring
from polyscene.serving.service import Service

_ABOUT = """Recommendations for every scenario of a trained run, and feedback on them.

Every refusal has the same body: what is wrong, where, and what to do next."""


def create_app(service: Service, keys: KeyFile | None = None) -> FastAPI:
    """The application of one worker.

    Args:
        service: open, and closed by whoever opened it.
        keys: who may ask; None admits everybody who calls the server by a name of this machine.
    """
    limits = service.config.limits

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        tasks = [asyncio.create_task(service.versions.watch()), asyncio.create_task(keep_measuring(service))]
        yield
        for task in tasks:
            task.cancel()

    app = bare_app(lifespan)
    app.state.service = service
    app.state.access = Access(keys, _limit(limits, service.config.workers))

    async def refuse(_: Request, error: Exception) -> JSONResponse:
        refusal = refusal_of(error)
        service.metrics.refused.labels(refusal.kind).inc()
        return refusal.response()

    for kind in (PolysceneError, Refusal, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, refuse)
    hosts = frozenset() if keys is not None else frozenset(LOOPBACK)
    app.add_middleware(Gate, limits=limits, metrics=service.metrics, hosts=hosts)
    return app


def bare_app(lifespan: object = None) -> FastAPI:
    """The routes alone, as OpenAPI describes them."""
    app = FastAPI(
        title="Polyscene",
        description=_ABOUT,
        version=version("polyscene"),
        docs_url=None,  # their pages load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        lifespan=lifespan,  # pyright: ignore[reportArgumentType]
    )
    for router in ROUTERS:
        app.include_router(router)
    return app


def _limit(limits: LimitsConfig, workers: int) -> RateLimit:
    """Each worker sees its share of a caller's requests."""
    return RateLimit(limits.rate / workers, limits.burst / workers)
