"""The page at ``/``: what the model would show to whom, with nothing from elsewhere."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Response

router = APIRouter(include_in_schema=False)
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_FOLDER = files("polyscene.serving").joinpath("page")


@router.get("/")
async def page() -> Response:
    """The page."""
    headers = {"Content-Security-Policy": _POLICY, "X-Frame-Options": "DENY"}
    return Response(_FOLDER.joinpath("index.html").read_bytes(), media_type="text/html", headers=headers)


@router.get("/page.js")
async def script() -> Response:
    """What asks for recommendations and takes reactions."""
    return Response(_FOLDER.joinpath("page.js").read_bytes(), media_type="text/javascript")


@router.get("/experiments.js")
async def experiments() -> Response:
    """What shows the experiments that run."""
    return Response(_FOLDER.joinpath("experiments.js").read_bytes(), media_type="text/javascript")


@router.get("/page.css")
async def style() -> Response:
    """Its style."""
    return Response(_FOLDER.joinpath("page.css").read_bytes(), media_type="text/css")
